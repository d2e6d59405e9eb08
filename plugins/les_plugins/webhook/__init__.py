"""The bundled plugin `webhook`: tells other programs of the events, and goes on until they have heard."""
