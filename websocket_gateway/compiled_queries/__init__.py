"""Queries that Django's ORM compiles once, instead of once for each call.

`lookups` for the row of one model, which becomes an object; `statements` for a SELECT of values, and for an
UPDATE. Only this package uses private names of the ORM; `orm` checks that they are as expected.
"""
