"""A call before it runs: it is proposed and decided, and where the policy says so a person is asked, and answers.

Read ``pseudonymise`` first, then ``propose``: raw words become a call that may be stored, and one transaction stores
it with its decision and its question. Where nobody has to be asked that transaction claims the call too; ``taking``
says what a claim takes. A person's answer comes in by ``answer``; ``answerer`` says who may give one, and ``form``
reads what a form sent. ``reveal`` and ``viewing`` are the look at what pseudonyms stand for, ``judging`` is what a
person says of a suggestion. No tool is run here.
"""
