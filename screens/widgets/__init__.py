"""The lab's own widgets: line-API views that stay flat however long the data is."""
