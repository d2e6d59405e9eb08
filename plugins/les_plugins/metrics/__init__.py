"""The bundled plugin `metrics`; being written."""
