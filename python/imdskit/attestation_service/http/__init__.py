"""Requests and responses of the service: bodies, messages, routes, limits and the OpenAPI
description. This package is internal."""
