"""Training data: read, tokenized, put into batches, remembered."""
