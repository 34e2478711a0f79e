"""The shipped data, checked as data: forms, counts, answers that are right, code that runs."""
