"""The terminal: screens, widgets and the action registry. Nothing in here imports mlx."""
