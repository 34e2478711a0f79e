"""The command line: parse, call, print. Every job of a screen has a command here."""
