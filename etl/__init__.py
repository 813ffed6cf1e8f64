"""From a catalogue of photos to a searchable collection: read, store, encode through the service, upsert."""
