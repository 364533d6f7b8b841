"""Tests of moving over from django-aws-api-gateway-websockets."""
