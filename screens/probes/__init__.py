"""The Probes screen: browse, search and run pinned prompts."""
