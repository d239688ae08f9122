"""What English clients say about budget, authority, need and timeline. The notation is explained in ``rules``."""

# ruff: noqa: E501, ISC004  one rule is one entry, however many wordings it has

from __future__ import annotations

from graphs.sdr_qualification.rules import Rules

__all__ = ["ANSWERS", "INTENT", "RULES", "TRAPS"]

_FUNDS = r"(?:budgets?|money|funds?|funding|cash)"
_GIVEN = (
    r"(?:approved|allocated|set aside|put aside|signed off|earmarked|secured|reserved|confirmed|ring-?fenced|in place"
    r"|released|granted)"
)
_PLANNED = r"(?:budgeted|planned|decided|fixed|final|clear|set)"
_BOSS = (
    r"(?:boss(?:es)?|directors?|ceo|cfo|coo|cto|owners?|founders?|head(?: of \w+)?|managers?|management|board|partners?"  # codespell:ignore coo
    r"|committee|procurement|chief \w+(?: officer)?|finance(?: \w+)?|headquarters|hq|shareholders?|supervisor|team lead"
    r"|husband|wife|father|mother|brother|lawyers?|X{8,})"
)
_LEADER = r"(?:ceo|owner|founder|co-?owner|managing director|sole director|president|proprietor)"
_DECIDES = (
    r"(?:decides?|will decide|make(?:s)?~decisions?|take(?:s)?~decisions?|sign(?:s|ing)?\b|approves?|has to approve"
    r"|must approve|has the (?:final|last) (?:say|word)|has to sign|needs to (?:sign|approve))\b"
)

RULES: dict[str, Rules] = {
    "budget": (
        (2, (rf"(?:{_FUNDS}|price|costs?)~(?:is not|isn't|not|won't be)~(?:problem|issue|question|concern|obstacle)",
             rf"\w*(?:n't| not) have (?:a|any)? ?(?:problems?|issues?) with~{_FUNDS}", rf"no {_FUNDS} (?:problems?|issues?|limits?|constraints?|cap|worries)")),
        (1, (rf"(?:no|nothing|not|\w*n't)~{_FUNDS}~(?:yet|right now|at the moment|now|currently|this (?:year|quarter|month)"
             r"|until|till|so far|before)\b",
             rf"{_FUNDS}~(?:not|n't)~(?:{_GIVEN}|{_PLANNED})",
             rf"(?:have|has|do|did|was|were|is|are|had)(?: not|n't)~(?:{_GIVEN}|budgeted)",
             r"(?:have|has|had)(?: not|n't)~(?:set|put) ~?aside", rf"(?:have|has|had)n't~(?:{_GIVEN}|budgeted)", rf"nothing~(?:{_GIVEN}|budgeted)",
             rf"{_FUNDS}~(?:will be|to be|awaiting|waiting|pending|still)~(?:{_GIVEN}|approval|discuss\w*|decid\w*)",
             rf"{_FUNDS}~(?:is|are|'s)~(?:tight|limited|small|frozen|low|thin|modest|short)\b",
             rf"(?:tight|limited|small|modest|shoestring|tiny|thin)~{_FUNDS}\b", r"short of (?:money|cash)",
             r"(?:too|quite|rather) expensive for us",
             rf"(?:have|need|will) to (?:find|ask|apply|request|raise|fight)~{_FUNDS}",
             rf"(?:still )?(?:waiting|fighting|asking) for~{_FUNDS}")),
        (0, (rf"(?:no|zero|without(?: a| any)?)(?: \w+)? {_FUNDS}\b", rf"(?:have|has|got|is|are)(?:n't| not)~{_FUNDS}\b",
             rf"(?:do|does|did)(?:n't| not) have~{_FUNDS}\b", r"can(?:not|'t| not) afford",
             rf"{_FUNDS} (?:is|of) (?:zero|nil|0)\b")),
        (3, (rf"(?:{_FUNDS}|amount|sum|it|{{money}})~\b{_GIVEN}\b", rf"\b{_GIVEN}\b~(?:{_FUNDS}|{{money}})",
             r"(?:have|got) the (?:money|funds|cash)\b", r"the (?:money|budget) is (?:there|ready)\b")),
        (2, (r"(?:budget|spend|invest|afford|pay|funds|funding)~{money}", r"{money}~(?:budget|to spend|for (?:this|it)\b)",
             r"(?:have|has|got|there is|there's) (?:a|the|some|our|an annual|enough) ?(?:\w+ )?budget\b",
             r"budget~(?:is|was|has been)~(?:planned|foreseen|available|discussed)",
             r"(?:plan|planning|planned|ready|willing|prepared|able) (?:to|on) (?:spend|invest|pay)",
             r"in (?:the|our|next year's|this year's) budget\b")),
    ),
    "authority": (
        (3, (r"(?:does|do)(?:n't| not) decide~i do\b", r"(?:nobody|no one|no-one|none)~(?:but me|except me|besides me)",
             r"(?:do not|don't) (?:need|have) to ask (?:any|no)", r"(?:do not|don't) need~(?:approval|permission)", r"without asking anyone", r"(?:nobody|no one) else\b",
             r"no need to ask anyone")),
        (0, (r"(?:have|got) no (?:say|influence|authority|vote)\b", r"(?:do not|don't) have~(?:say|influence|authority)\b",
             r"nothing to do with (?:the )?decisions?",
             r"i(?:'m| am) (?:just|only) (?:an? )?(?:intern|student|trainee|assistant|gathering|collecting|researching)")),
        (2, (r"decide~(?:together|jointly|as a team)\b", r"(?:together|jointly) with", r"i am not the only one",
             rf"(?:i|me|myself) and (?:my |our |the )?{_BOSS}", rf"(?:my|our|the) {_BOSS} and (?:i|me|myself)\b",
             r"(?:both|two|three|four|all) of us", r"we (?:all )?decide\b", r"(?:joint|shared|collective) decision",
             r"by committee", r"(?:not|\w*n't)~(?:alone|only me|just me|only i)\b", r"i have a (?:say|vote)\b",
             rf"i (?:decide|choose|sign|approve)~(?:but|and)~{_BOSS}~(?:sign|approv|confirm|agree)\w*")),
        (1, (r"(?:not|\w*n't)~(?:my decision|my call|up to me|me who|the (?:one|person) who decides)",
             r"i(?: do not|'m not| am not| can't| cannot| don't)~(?:decide|make~decision|sign|approve|decision[- ]maker)",
             rf"(?:my|our|the|a)~{_BOSS}~{_DECIDES}", rf"^\W*{_BOSS}~{_DECIDES}",
             rf"(?:up to|decision of|decided by|decision is with|sits with|lies with) (?:my|our|the) {_BOSS}",
             rf"i(?:'ll| will)?~(?:have to|need to|must|should)~(?:ask|check with|clear|consult|convince)~{_BOSS}",
             rf"decision(?: is|'s)? (?:made|taken) by (?:my|our|the) {_BOSS}", rf"(?:approval|signature) (?:of|from|by)~{_BOSS}")),
        (3, (r"i (?:alone |personally )?(?:make|take)~decisions?\b", r"i (?:will )?decide\b", r"i(?:'m| am) the one who decides",
             r"i(?:'m| am)~(?:sole |only |final )?decision[- ]maker",
             rf"i(?:'m| am) (?:the |a |an )?(?:\w+ and )?{_LEADER}\b(?! of (?:this|that|the) (?:process|project|product|account))",
             r"(?:entirely |only |completely )?(?:up to me|my decision|my call|mine to make)\b",
             r"i (?:also )?sign (?:off|it|the|all|such)\b", r"(?:decision|final say|last word) is (?:mine|with me)")),
    ),
    "need": (
        (0, (r"(?:do not|don't) (?:really )?need (?:anything|it|this|that|a crm|a new)\b",
             r"just (?:looking(?! for| to| into)|browsing|curious)", r"(?:everything|it all) works (?:fine|well)",
             r"happy with (?:what we have|our current|the current)", r"(?:have|are|is|see) no (?:real )?(?:problems?|needs?)\b",
             r"no (?:real )?need for")),
        (3, (r"(?:we|i|us|company|that|it|which|are|is|keep|been)~los(?:e|es|t|ing)~(?:leads?|customers?|clients?|deals?"
             r"|money|orders?|revenue|sales|requests?|enquiries|inquiries|hours?|contracts?|\{money\}|{money})",
             r"(?:leads?|orders?|requests?|deals?|enquiries|inquiries|calls)~(?:are|get|go|keep getting|got)~(?:lost|missing|forgotten)",
             r"costs? us\b", r"miss(?:ing|ed)? ~?(?:deals?|orders?|calls?|leads?|deadlines?|customers?)\b",
             r"(?:can't|cannot|could not|couldn't) (?:cope|keep up)", r"urgent(?:ly)? need", r"need~urgently",
             r"(?:customers?|clients?)~(?:leave|leaving|complain|churn|are angry)", r"(?:out of control|breaking down|collapsing)")),
        (2, (r"(?:we|i|us|they|team)(?:'d| would| do| really| also)* (?:need|require)\b(?! (?:it|this|that|an answer|more time|time"
             r"|to (?:ask|check|think|go|know|discuss|talk|speak|start|launch|wait|leave|see|decide|be|clear|consult|sign)|approval"
             r"|a (?:minute|moment|day|call|human|person)|someone|some time))",
             r"looking for (?!a (?:human|person|call)|information|info\b|the time)\w+",
             r"(?:want|would like|'d like|hope|trying) to (?:automate|replace|improve|reduce|speed|track|manage|get rid|connect"
             r"|integrate|see|cut|stop|organi[sz]e|have|keep|centrali[sz]e|move|collect|send|simplify|unify)",
             r"(?:biggest |main |real )?(?:problem|pain|issue|challenge|trouble|headache) (?:is|are|with)\b",
             r"struggl\w+", r"manual(?:ly)?\b", r"by hand\b", r"(?:in|with|on|of|our) (?:\w+ )?(?:spreadsheets?|excel)\b", r"\w+ twice\b",
             r"(?:no|lack of) (?:overview|visibility|control|history)\b", r"takes (?:us |them )?(?:\w+ )?(?:hours|days|ages|forever|too long)",
             r"(?:too|very|so) slow\b", r"(?:we|they|people|reps|team|staff|colleagues|salespeople|managers|employees|everybody|keep)~forget(?:s|ting)?\b", r"can(?:'t|not) see (?:who|what|which|where)", r"chaos\b|a mess\b")),
        (1, (r"(?:i'm|i am|we're|we are|are|am)~interested in", r"(?:like|want) to (?:know|learn|hear|find out) more",
             r"(?:exploring|evaluating|comparing|researching)~(?:options|tools|vendors|market|systems|solutions)",
             r"looking around\b", r"nice to have", r"curious about")),
    ),
    "timeline": (
        (0, (r"(?:no|without) plans? (?:at all|whatsoever|to (?:buy|change|start|switch|move))", r"(?:are not|aren't) planning (?:anything|to)",
             r"not planning (?:anything|to (?:buy|change|start))", r"never\W*$")),
        (1, (r"no (?:rush|hurry|deadline|fixed date|particular date|date|pressure)\b", r"not (?:urgent|in a hurry|in a rush|any time soon)",
             r"(?:isn't|is not|nothing) urgent", r"some ?day\b", r"eventually\b", r"(?:in|over) the long (?:run|term)",
             r"not (?:this|next) year")),
        (3, (r"as soon as possible", r"asap\b", r"immediately\b", r"right away\b", r"straight away\b", r"yesterday\W*$",
             r"(?:very |really |it's |is |quite )urgent\b", r"the sooner the better", r"(?:start|begin|go live) (?:now|today|tomorrow)\b")),
    ),
}  # fmt: skip

ANSWERS: dict[str, Rules] = {
    "budget": (
        (1, (r"^\W*(?:no|nope|not yet|not really|nothing yet|not so far)\b\W*$", r"^\W*no,? not yet")),
        (0, (r"^\W*(?:none|nothing|zero)\b\W*(?:at all\W*)?$",)),
        (3, (rf"^\W*(?:yes\W+)?(?:it is |already )*{_GIVEN}\W*$",)),
        (2, (r"^\W*(?:yes|yeah|yep|sure|we do|there is)\b\W*$",)),
    ),
    "authority": (
        (2, (r"^\W*(?:me|i|myself) and\b", r"^\W*we (?:both|all)\b", r"^\W*(?:all of us|both of us|together)\b")),
        (3, (r"^\W*(?:that(?:'s| is| would be) |it's |only |just )*(?:me|myself|i do|i am|i will|i would)\b\W*(?:alone\W*)?$",)),
        (1, (rf"^\W*(?:that(?:'s| is| would be) |it's |not me\W+)*(?:my|our|the|a)(?: \w+)? {_BOSS}\W*$", r"^\W*not me\b",
             rf"^\W*{_BOSS}(?:\W+(?:my|our|the) {_BOSS})?\W*$")),
    ),
    "need": ((0, (r"^\W*(?:none|nothing|nothing really|no problems?)\W*$",)),),
    "timeline": (
        (3, (r"^\W*(?:now|today|right now|yesterday)\W*$",)),
        (1, (r"^\W*(?:no|there is none|not really|nothing fixed)\b\W*$",)),
    ),
}  # fmt: skip

_ELSEWHERE = r"(?:competitors?|neighbou?rs?|another company|other companies|a friend|my friend|your company|you (?:decide|need|have))\b"
_UNREAL = r"(?:if (?:we|i|there|it) (?:had|were|was|could)|would have|let's say|for example|imagine|suppose)\b"
_WITHHELD = r"(?:can't|cannot|won't|rather not|prefer not to|not going to|don't want to|not ready to) (?:say|tell|share|disclose|discuss|name)"
TRAPS: dict[str, Rules] = {
    "budget": (
        (0, (_ELSEWHERE, _UNREAL, _WITHHELD, r"(?:if|once|unless|in case)\b", r"(?:had|used to|last year|previously|ago|spent|paid|lost)\b",
             r"(?:revenue|turnover|salary|salaries|profit|los(?:e|es|ing)|costs? us)\b", r"your (?:price|pricing|fee|plan|offer|quote)",
             r"you (?:charge|cost)", r"(?:low-?|cheap |)budget[- ](?:airline|hotel|phone|version|friendly|tracking|report|planning|tool|module)",
             r"low-budget", r"budget for (?:travel|hiring|marketing|ads|advertising|salaries|hardware)\b",
             r"(?:do not|don't|no) (?:know|idea)", r"(?:currently|now|already|today) pay", r"pay(?:ing)? (?:now|today|currently|every|a month)")),
    ),
    "authority": ((0, (_ELSEWHERE, _UNREAL, _WITHHELD, r"decided\b", r"(?:can't|cannot|hard to|difficult to) decide (?:between|yet|now|which|what)",
                       r"i(?:'ll| will) decide (?:later|then|what|how|whether)")),),
    "need": ((0, (_UNREAL, r"(?:not|\w*n't) (?:lose|losing|lost)\b", r"no problem(?:\W*$| at all| i)", r"no need to\b", r"\w*(?:n't| not) have~(?:problem|issue)s?\b", r"(?:do not|don't) forget\b", r"not interested",
                  r"need to know(?: basis)?", r"you (?:need|want|are looking)\b")),),
    "timeline": (
        (0, (_ELSEWHERE, _UNREAL, r"(?:was|were|had|did|started|launched|began|bought|tried|used|since|ago|previous|been|lost|left|founded)\b",
             r"(?<!at )last (?:year|month|week|quarter|summer|spring|autumn|winter|time)", r"in the (?:last|past)\b",
             r"(?:holiday|vacation|out of (?:the )?office|busy|travel\w*|conference|trade fair)\b", r"in business\b",
             r"(?:per|every|each|(?<!half )(?<!in )(?<!within )a) (?:month|week|year|day)\W*$", r"(?:answers?|replies|delivers?|ships?) (?:in|within)\b", r"(?:do not|don't) know")),
    ),
}  # fmt: skip

INTENT = (
    r"(?:we|i|us|it|team|should|must|has to|have to|to) ?(?:\w+ ){0,2}(?:need|want|start|launch|live|begin|implement|roll out|ready|buy|sign"
    r"|plan|switch|migrate|finish|like|hope|aim|running|up and running|work|decide|go|use)\b",
    r"(?:deadline|go-?live|start date|launch|kick-?off|decision|rollout|contract)\b", r"(?:by|before|until|no later than) ",
)  # fmt: skip
