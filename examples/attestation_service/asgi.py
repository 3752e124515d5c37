"""The verification service on an ASGI server, through an adapter: ``uvicorn asgi:app --workers 2``. Needs a2wsgi and uvicorn from PyPI.

The adapter runs the application in a pool of threads. It tells the application that there are several processes, so a store and a nonce
key file must be configured.
"""

from a2wsgi import WSGIMiddleware

from imdskit.attestation_service.wsgi import application

app = WSGIMiddleware(application, workers=8)
