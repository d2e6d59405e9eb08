pytest_plugins = ["les_hooks.testing"]
