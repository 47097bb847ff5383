"""Contracts: what the vendor sold, to whom, and what covers it.

Owns: products, devices, agreements.
Publishes: contracts.product.changed, contracts.device.changed, contracts.agreement.changed.
Listens to: the state of companies and sites (identity), and of cases: which agreements they cite (cases).
"""
