"""Real orders for the demo: the invoices of CSV files as tools/replay-retail reads them, in file
order, paid now."""

import importlib.machinery
import importlib.util
import random

import demo_paths


def load_replay_retail():
    """tools/replay-retail as a module; its name has no .py."""
    path = str(demo_paths.ROOT / "tools" / "replay-retail")
    loader = importlib.machinery.SourceFileLoader("replay_retail", path)
    spec = importlib.util.spec_from_loader("replay_retail", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


class RetailShop:
    """Acts like demo_shop.Shop. Customers have numbers only, so each gets a name, always the same
    for a number, and `make_member(id, name)` makes it."""

    def __init__(self, files, names, make_member):
        retail = load_replay_retail()
        invoices = retail.sendable(retail.read_files(files))
        # An invoice without a customer earns nobody a point.
        self._invoices = iter([invoice for invoice in invoices if invoice.customer])
        self._to_event = retail.to_event
        self._names = names
        self._make_member = make_member
        self.random = random.Random(0)
        self.members = []
        self.by_id = {}

    def _member(self, customer):
        member = self.by_id.get(customer)
        if member is None:
            name = self._names[random.Random(customer).randrange(len(self._names))]
            member = self.by_id[customer] = self._make_member(customer, name)
            self.members.append(member)
        return member

    def act(self, moment):
        """(event, one line for people), or None after the last invoice."""
        invoice = next(self._invoices, None)
        if invoice is None:
            return None
        member = self._member(invoice.customer)
        event = self._to_event(invoice) | {"time": moment}
        total = event["data"]["total"]
        return event, f"{member.name:<12} paid invoice {invoice.number}, {total} GBP"
