"""Adapter for the function ``CMS_verify`` of OpenSSL.

The libcrypto comes from the wheel psycopg2-binary, whose OpenSSL is newer than that of the system.
The function verifies the CMS message and the certification path, but no names and no claims. The
adapter puts root and intermediate into one certificate store, as the adapter for ``openssl cms``
does. It keeps nothing but this store between calls.
"""

from __future__ import annotations

import base64
import ctypes
import importlib.util
from collections.abc import Callable
from ctypes import byref, c_char_p, c_int, c_long, c_uint, c_void_p
from pathlib import Path

from corpus import AT, Chain

BINARY = 0x80
PURPOSE_ANY = 7


def load() -> ctypes.CDLL:
    """Load the library and declare the types of the functions in use. Raise ``ImportError`` if the
    wheel is not installed."""
    package = importlib.util.find_spec("psycopg2")
    folder = Path(package.origin).parent.parent / "psycopg2_binary.libs" if package and package.origin else Path("/nowhere")
    found = sorted(folder.glob("libcrypto-*"))
    if not found:
        raise ImportError(name="psycopg2-binary")
    library = ctypes.CDLL(str(found[0]))
    pointers = "BIO_new BIO_s_mem d2i_CMS_ContentInfo d2i_X509 X509_STORE_new X509_VERIFY_PARAM_new"
    for name in pointers.split():
        getattr(library, name).restype = c_void_p
    library.OpenSSL_version.restype = c_char_p
    library.BIO_new.argtypes = [c_void_p]
    library.BIO_free.argtypes = library.CMS_ContentInfo_free.argtypes = [c_void_p]
    library.d2i_CMS_ContentInfo.argtypes = library.d2i_X509.argtypes = [c_void_p, c_void_p, c_long]
    library.CMS_verify.argtypes = [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_uint]
    library.X509_STORE_add_cert.argtypes = library.X509_STORE_set1_param.argtypes = [c_void_p, c_void_p]
    library.X509_VERIFY_PARAM_set_time.argtypes = [c_void_p, c_long]
    library.X509_VERIFY_PARAM_set_purpose.argtypes = [c_void_p, c_int]
    return library


def version() -> str:
    """Return the version of OpenSSL."""
    text: bytes = load().OpenSSL_version(0)
    return text.decode().split()[1]


def cms_verify(chain: Chain) -> Callable[[bytes], None]:
    library = load()
    store, parameters = library.X509_STORE_new(), library.X509_VERIFY_PARAM_new()
    for pair in (chain.root, chain.intermediate):
        der = pair.der
        library.X509_STORE_add_cert(store, library.d2i_X509(None, byref(c_char_p(der)), len(der)))
    library.X509_VERIFY_PARAM_set_time(parameters, AT)
    library.X509_VERIFY_PARAM_set_purpose(parameters, PURPOSE_ANY)
    library.X509_STORE_set1_param(store, parameters)
    memory = library.BIO_s_mem()

    def verify(document: bytes) -> None:
        der = base64.b64decode(document)
        message = library.d2i_CMS_ContentInfo(None, byref(c_char_p(der)), len(der))
        out = library.BIO_new(memory)
        good = library.CMS_verify(message, None, store, None, out, BINARY)
        library.BIO_free(out)
        library.CMS_ContentInfo_free(message)
        if good != 1:
            raise ValueError("refused")

    return verify
