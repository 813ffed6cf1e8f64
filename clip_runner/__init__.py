"""The model's side: photos to pixels, texts and pixels to vectors, and the runner that batches them.

Knows nothing of Milvus, of the object store, or of HTTP.
"""
