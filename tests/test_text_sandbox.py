"""Chat templates of strangers: what honest ones do works, everything else ends in one sentence."""

from __future__ import annotations

import datetime

import pytest

from chatwright.errors import ArtefactError, InputError
from chatwright.text.controls import GENERATED_MARKS
from chatwright.text.sandbox import SOURCE_LIMIT, Sandboxed

MESSAGES = [{"role": "user", "content": " hi "}, {"role": "assistant", "content": "yo"}]


def rendered(source: str, *, marks: bool = False, **data: object) -> str:
    day = datetime.date(2024, 2, 29)
    return Sandboxed(source).render({"messages": MESSAGES, **data}, characters=6, date=day, marks=marks)


HONEST = {
    "{% for m in messages %}{{ m['role'] }}{{ m.content | trim }}.{% endfor %}": "userhi.assistantyo.",
    "{{ messages | selectattr('role', 'equalto', 'user') | list | length }}": "1",
    "{% for m in messages %}{{ loop.index0 }}{{ loop.first }}{% endfor %}": "0True1False",
    "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}": "2",
    "{% macro turn(m) %}<{{ m.content.strip() }}>{% endmacro %}{{ turn(messages[0]) }}": "<hi>",
    "{{ {'a': [1, 'ü', none]} | tojson }}": '{"a": [1, "ü", null]}',
    "{{ {'a': '<'} | tojson(indent=2) }}": '{\n  "a": "<"\n}',
    "{{ strftime_now('%d %b %Y') }}": "29 Feb 2024",
    "{{ 'a' ~ 1 ~ none }}{{ '-' * 3 }}{{ '%s-%5d' % ('x', 3) }}{{ '{} {x}'.format(1, x=2) }}": "a1None---x-    31 2",
    "{{ messages[1:] | map(attribute='content') | join(', ') }}": "yo",
    "{{ 'a\nb' | indent(2) }}{{ 'a-b'.split('-')[-1] }}{{ 'aXb'.replace('X', ' ') }}": "a\n  bba b",
    "{% for k, v in {'x': 1}.items() %}{{ k }}{{ v }}{% endfor %}": "x1",
    "{% for i in range(9) if i is odd %}{% if i > 5 %}{% break %}{% endif %}{{ i }}{% endfor %}": "135",
    "{{ tools is defined and tools is not none }}{{ missing }}{{ missing | default('d') }}": "Falsed",
    "{%- if messages[0].content is string and 'h' in messages[0].content -%} yes {%- endif -%}": "yes",
    "  {% if true %}\nx\n  {% endif %}\ny": "x\ny",
    "{% set x %}{{ messages[1].content }}!{% endset %}{{ x | upper }}": "YO!",
    "{% for i in [1, 2] recursive %}{{ i }}{{ loop([3]) if loop.depth < 2 }}{% endfor %}": "1323",
    "{% generation %}x{% endgeneration %}": "x",
}


@pytest.mark.parametrize("source", HONEST)
def test_what_honest_templates_do_works(source):
    assert rendered(source) == HONEST[source]


def test_blocks_of_generation_can_be_marked():
    assert rendered("a{% generation %}b{% endgeneration %}c", marks=True) == "a" + "b".join(GENERATED_MARKS) + "c"


DOUBLED = "{%% set ns = namespace(x=%s) %%}{%% for i in range(99) %%}{%% set ns.x = %s %%}{%% endfor %%}{{ ns.x }}"
HOSTILE = {
    # out of the sandbox
    "{{ ''.__class__.__mro__ }}": "'__class__' of str",
    "{{ ''['__class__'] }}": "'__class__' of str",
    "{{ messages[0].items.__self__ }}": "'__self__'",
    "{{ namespace.__init__.__globals__ }}": "'__init__'",
    "{{ raise_exception.__globals__ }}": "'__globals__'",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}": "'__init__'",
    "{{ self._TemplateReference__context }}": "'_TemplateReference__context'",
    "{{ '{0.__class__}'.format('x') }}": "'__class__'",
    "{{ ''|attr('__class__') }}": "No filter named 'attr'",
    "{% set ns = namespace(__class__=1) %}": "__class__, a hidden name",
    "{{ messages.append(1) }}": "'append' of list",
    "{{ messages[0].update({}) }}": "'update' of dict",
    "{{ messages[0].__setitem__('role', 'system') }}": "'__setitem__'",
    "{{ lipsum() }}": "'lipsum' is undefined",
    "{% include '/etc/passwd' %}": "no loader",
    "{% import 'os' as os %}": "no loader",
    "{{ 'x'.encode() }}": "calls encode",
    "{{ dict.fromkeys('ab') }}": "fromkeys",
    # without end
    "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}": "works without end",
    "{% for i in range(10**9) %}{% endfor %}": "Range too big",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}": "calls itself for ever",
    "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(90) }}": "without end|for ever",
    "{% for i in range(99999) if range(99999)|list|length %}{% endfor %}": "works without end",
    # too large
    "{{ 'a' * 10**9 }}": "too large",
    "{{ [0] * 10**9 }}": "too large",
    "{{ 10**9 * 'a' }}": "too large",
    "{{ 2 ** 999999999 }}": "too large",
    "{{ 'a'.center(10**9) }}": "calls center",
    "{{ '%0999999999d' % 1 }}": "too wide",
    "{{ '%*d' % (999999999, 1) }}": "too wide",
    "{{ '{:>999999999}'.format(1) }}": "too wide",
    "{{ '{:>{w}}'.format(1, w=999999999) }}": "too wide",
    "{{ 'x' | indent(10**9, true) }}": "too large",
    "{{ {} | tojson(indent=10**9) }}": "endless indents",
    "{{ ('a' * 100000).replace('a', 'b' * 100000) }}": "too large",
    "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}": "too large",
    "{{ range(99999) | map('default', 'x' * 100000, true) | join('y' * 10000) }}": "too large|without end",
    "{{ ('y' * 100000).join(range(99999) | map('string')) }}": "too large",
    DOUBLED % ("'aa'", "ns.x ~ ns.x"): "too large",
    DOUBLED % ("'aa'", "ns.x + ns.x"): "too large",
    DOUBLED % ("['aa']", "[ns.x, ns.x]"): "too large",
    DOUBLED % ("['aa']", "{'a': ns.x, 'b': ns.x}"): "too large",
    DOUBLED % ("2", "ns.x * ns.x"): "number far too large",
    "{% set ns = namespace(x='aa') %}{% for i in range(99) %}{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}"
    "{% endfor %}": "too large|without end",
    "{% for i in range(99999) %}" + "x" * 10_000 + "{% endfor %}": "too large",
    # no templates
    "{% if %}": "line 1: Expected an expression",
    "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}": "cannot be read",
    "x" * (SOURCE_LIMIT + 1): f"templates may have {SOURCE_LIMIT}",
    "{{ 1 / 0 }}": "ZeroDivisionError",
    "{{ x.y.z }}": "'x' is undefined",
    "{{ 'a' + 1 }}": "TypeError",
}


@pytest.mark.parametrize("source", HOSTILE, ids=lambda source: source[:50])
def test_everything_else_is_stopped_with_one_sentence(source):
    with pytest.raises(ArtefactError, match=HOSTILE[source]) as caught:
        rendered(source)
    assert str(caught.value).startswith("the chat template")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_refusal_is_said_in_the_templates_own_words():
    with pytest.raises(InputError, match="^the chat template refuses this conversation: Roles must alternate!$"):
        rendered("{{ raise_exception('Roles must\n alternate!') }}")


def test_longer_conversations_may_take_longer():
    source = "{% for m in messages %}{{ m.content | trim }}{% endfor %}"
    messages = [{"role": "user", "content": "word " * 20_000}] * 30
    size = sum(len(message["content"]) for message in messages)
    text = Sandboxed(source).render({"messages": messages}, characters=size, date=None, marks=False)
    assert len(text) == 30 * (len("word ") * 20_000 - 1)


def test_what_happens_in_one_rendering_does_not_count_for_the_next():
    template = Sandboxed("{% for i in range(20000) %}{% endfor %}ok")
    for _ in range(6):
        assert template.render({}, characters=0, date=None, marks=False) == "ok"
