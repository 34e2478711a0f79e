"""Every file format of comparisons, in and out; reading and writing are pure, `imports` meets the store."""
