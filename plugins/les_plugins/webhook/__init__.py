"""The bundled plugin `webhook`; being written."""
