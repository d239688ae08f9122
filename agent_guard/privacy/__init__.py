"""What the law asks of a record that holds people: erase a party's data, hold it while a court wants it, cut what is
older than it must be kept, and hand a party its own data.

Everything here is done by a person whose role the settings name (``privacy_roles``), and is in the record.
"""
