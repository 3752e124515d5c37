"""Activation of Azure machines with Django: ``gunicorn with_django:application``. In a project, put these views into ``views.py``."""

import json
import os

from attestation import activate, issuer
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from imdskit.errors import StoreError

settings.configure(
    SECRET_KEY=os.environ["NONCE_SECRET"],
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=98_304,
)


@csrf_exempt  # machines send no cookies, so no other site can misuse a cookie
@require_POST
def challenge(request: HttpRequest) -> JsonResponse:  # noqa: ARG001  # Django passes the request to each view
    """Issue a nonce."""
    return JsonResponse({"nonce": issuer.issue()})


@csrf_exempt
@require_POST
def activation(request: HttpRequest) -> JsonResponse:
    """Admit a machine whose attested document is accepted."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return JsonResponse({"error": "bad-request"}, status=400)
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in ("nonce", "document")):
        return JsonResponse({"error": "bad-request"}, status=400)
    try:
        attestation = activate(body["nonce"], body["document"])
    except StoreError:
        return JsonResponse({"error": "unavailable"}, status=503)
    if attestation is None:
        return JsonResponse({"error": "refused"}, status=403)
    return JsonResponse({"vmId": attestation.claims.vm_id, "subscriptionId": attestation.claims.subscription_id})


urlpatterns = [path("challenge", challenge), path("activate", activation)]
application = get_wsgi_application()
