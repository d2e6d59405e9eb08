"""The shell around the election: state directory, service manager, and what else belongs to one running node."""
