"""The catalogue: items with their vectors in Milvus, their photos in an S3 store. Knows nothing of models."""
