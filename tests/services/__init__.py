"""The units under a real service manager: systemd in namespaces of its own, so that nothing of the host is touched."""
