"""Reports: one file that says what a comparison found, how, and how sure that is; computed when written."""
