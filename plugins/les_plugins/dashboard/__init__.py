"""The bundled plugin `dashboard`; being written."""
