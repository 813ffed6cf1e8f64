"""The bundled compact CLIP: its weights, and the data it is trained and measured on."""
