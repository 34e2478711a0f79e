"""Every file format of comparisons, in and out. Reading and writing are pure; the store is met in `imports`."""
