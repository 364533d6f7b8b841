"""Moving over from django-aws-api-gateway-websockets 4: its tables, its rules, its hashes."""
