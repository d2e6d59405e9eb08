"""The bundled plugins, one module or folder each. They use nothing of `les_hooks` that a stranger's could not."""
