"""The templates and conversations of make_template_fixtures.py: our own wording throughout.

TEMPLATES: name -> (constructs, template, kinds of conversations to render).
"""

CLOCK = {
    "type": "function",
    "function": {
        "name": "clock",
        "description": "Tells the time <now> & the day's name",
        "parameters": {
            "type": "object",
            "properties": {
                "zone": {"type": "string", "description": "Where, as in \"UTC\""},
                "hours": {"type": "integer", "enum": [12, 24]},
                "items": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["zone"],
        },
    },
}
SCALE = {
    "type": "function",
    "function": {
        "name": "scale",
        "parameters": {"type": "object", "properties": {"kilo": {"type": ["number", "null"]}, "rate": {"default": 1e-05}}},
    },
}
CALL = {"id": "call00001", "type": "function", "function": {"name": "clock", "arguments": {"zone": "UTC", "hours": 24}}}
CALL2 = {"id": "call00002", "type": "function", "function": {"name": "scale", "arguments": {"kilo": 1.5, "note": "it's <5 & é", "deep": {"a": [1, None, True]}}}}


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


HI = [turn("user", "  Who goes there?\n"), turn("assistant", "A friend.")]
LONG = HI + [turn("user", "What's your name?"), turn("assistant", " Wren & co. \n")]
SYSTEM = [turn("system", "Speak like a bird: \"tweet\"."), *LONG]
TOOLS = [
    turn("user", "What time is it?"),
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    turn("tool", "{\"time\": \"12:00\", \"it's\": \"<noon>\"}", tool_call_id="call00001", name="clock"),
    turn("assistant", "It is noon."),
]
TWICE = [
    turn("user", "Both, please."),
    {"role": "assistant", "content": "One moment.", "tool_calls": [CALL, CALL2]},
    turn("tool", "noon", tool_call_id="call00001", name="clock"),
    turn("tool", "3 kg", tool_call_id="call00002", name="scale"),
    turn("assistant", "Noon; three kilos."),
    turn("user", "Thanks."),
    turn("assistant", "Any time."),
]
THOUGHT = [
    turn("user", "2+2?"),
    turn("assistant", "4", reasoning_content="Two and two\nmake four."),
    turn("user", "And 3+3?"),
    turn("assistant", "<think>\nThree twice.\n</think>\n\n6"),
]
PARTS = [
    turn("user", [{"type": "text", "text": "One. "}, {"type": "text", "text": "Two."}]),
    turn("assistant", [{"type": "text", "text": "Three."}]),
]

CONVERSATIONS = {
    "hi": [{"messages": HI}],
    "asked": [{"messages": HI[:1]}],
    "long": [{"messages": LONG}],
    "system": [{"messages": SYSTEM}],
    "bad": [{"messages": [HI[0], HI[0]]}],
    "tools": [{"messages": TOOLS, "tools": [CLOCK]}, {"messages": TWICE, "tools": [CLOCK, SCALE]}],
    "unused": [{"messages": SYSTEM, "tools": [SCALE]}],
    "thought": [{"messages": THOUGHT}],
    "calm": [{"messages": THOUGHT[:3], "chat_template_kwargs": {"enable_thinking": False}}],
    "parts": [{"messages": PARTS}],
    "unicode": [{"messages": [turn("user", "na\u00efve \u2615 \u65e5\u672c\u8a9e \U0001f600 \x1c"), turn("assistant", "\u00dc\u0308ber \u2028 'q' \"w\" \\")]}],
    "documents": [{"messages": HI, "documents": [{"title": "Birds", "text": "They fly."}, {"title": "Bees", "text": "They hum."}]}],
    "kwargs": [{"messages": LONG, "chat_template_kwargs": {"date_string": "1 Jan 2025", "style": {"tone": "dry", "max": 3, "share": 0.5}}}],
    "developer": [{"messages": [turn("developer", "Be terse."), *HI]}],
}

TEMPLATES = {}


def template(name, constructs, text, kinds="hi asked long system unicode"):
    TEMPLATES[name] = (constructs, text, kinds)


template(
    "instruct brackets", "slices of the list, a system text folded into the first question, raise_exception, modulo, strip (Llama 2, Mistral)",
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set sys = messages[0]['content'] %}"
    "{% else %}{% set rest = messages %}{% set sys = false %}{% endif %}"
    "{% for m in rest %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('turns must alternate: user, assistant, ...') }}{% endif %}"
    "{% if loop.index0 == 0 and sys != false %}{% set said = '<<S>>\\n' + sys + '\\n<</S>>\\n\\n' + m['content'] %}"
    "{% else %}{% set said = m['content'] %}{% endif %}"
    "{% if m['role'] == 'user' %}{{ bos_token + '[Q] ' + said.strip() + ' [/Q]' }}"
    "{% elif m['role'] == 'assistant' %}{{ ' '  + said.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "hi asked long system bad unicode",
)
template(
    "headers", "set in a loop, trim, concatenation with +, a first-turn prefix (Llama 3)",
    "{% set turns = messages %}{% for m in turns %}{% set said = '<|head|>' + m['role'] + '<|/head|>\\n\\n'+ m['content'] | trim + '<|eot|>' %}"
    "{% if loop.index0 == 0 %}{% set said = bos_token + said %}{% endif %}{{ said }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|head|>assistant<|/head|>\\n\\n' }}{% endif %}",
)
template(
    "dated tools", "is defined, strftime_now, variables from the record, tojson(indent=4), tests of the type, arguments as an object, is none (Llama 3.1, 3.2, 3.3)",
    """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{#- The system text goes first, if there is one. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|head|>system<|/head|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Mode: tools\\n" }}
{%- endif %}
{{- "Day: " + date_string + "\\n\\n" }}
{%- if tools is not none %}
    {{- "Answer with JSON of this form: " }}
    {{- '{"name": tool, "parameters": {}}.\\n\\n' }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{{- "<|eot|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|head|>' + message['role'] + '<|/head|>\\n\\n'+ message['content'] | trim + '<|eot|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("one call at a time, please") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|head|>assistant<|/head|>\\n\\n' -}}
        {{- '{"name": "' + tool_call.name + '", ' }}
        {{- '"parameters": ' }}
        {{- tool_call.arguments | tojson }}
        {{- "}" }}
        {{- "<|eot|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|head|>ipython<|/head|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|head|>assistant<|/head|>\\n\\n' }}
{%- endif %}
""",
    "hi system tools kwargs unused unicode",
)
template(
    "parts of content", "is string, a loop over parts, if in an expression, else-less (Llama 4, SmolVLM)",
    """{{- bos_token }}{%- for m in messages %}
    {{- '<|' + m['role'] + '|>' }}
    {%- if m['content'] is string %}{{- m['content'] }}{%- else %}
        {%- for part in m['content'] %}
            {%- if part['type'] == 'image' %}{{- '<|image|>' }}
            {%- elif part['type'] == 'text' %}{{- part['text'] | trim }}{%- endif %}
        {%- endfor %}
    {%- endif %}
    {{- '<|end|>' if not loop.last }}
{%- endfor %}{{- '<|assistant|>' if add_generation_prompt }}""",
    "hi long parts unicode",
)
template(
    "im blocks", "loop.first with a default system text, string escapes (ChatML, Qwen 1.5, Yi)",
    "{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<im>system\\nBe good.</im>\\n' }}{% endif %}"
    "{{'<im>' + m['role'] + '\\n' + m['content'] + '</im>' + '\\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<im>assistant\\n' }}{% endif %}",
)
template(
    "grouped results", "tojson of tools, previous and next messages by index, or of undefined, tool_calls with and without function (Qwen 2, 2.5)",
    """{%- if tools %}
    {{- '<im>system\\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'Be of use.' }}
    {%- endif %}
    {{- "\\n\\n# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools></im>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<im>system\\n' + messages[0]['content'] + '</im>\\n' }}
    {%- else %}
        {{- '<im>system\\nBe of use.</im>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<im>' + message.role + '\\n' + message.content + '</im>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<im>' + message.role }}
        {%- if message.content %}
            {{- '\\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\\n<call>\\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\\n</call>' }}
        {%- endfor %}
        {{- '</im>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<im>user' }}
        {%- endif %}
        {{- '\\n<result>\\n' }}
        {{- message.content }}
        {{- '\\n</result>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '</im>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<im>assistant\\n' }}
{%- endif %}
""",
    "hi asked system tools unused unicode",
)
template(
    "dropped thoughts", "reversed slices, namespace, startswith and endswith, split and strip of thoughts, is false, reasoning_content (Qwen 3)",
    """{%- set ns = namespace(multi=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi and message.role == "user" and message.content is string and not(message.content.startswith('<result>') and message.content.endswith('</result>')) %}
        {%- set ns.multi = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if message.role != "assistant" %}
        {{- '<im>' + message.role + '\\n' + content + '</im>' + '\\n' }}
    {%- else %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<im>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
            {%- else %}
                {{- '<im>' + message.role + '\\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<im>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '</im>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<im>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
""",
    "hi long thought calm unicode",
)
template(
    "opened thought", "a generation prompt that opens a thought, split(...)[-1], namespace flags, in (DeepSeek R1 and distills, QwQ)",
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
    "{% set ns = namespace(is_first=false, is_tool=false, system='') %}"
    "{%- for m in messages %}{%- if m['role'] == 'system' %}{% set ns.system = m['content'] %}{%- endif %}{%- endfor %}"
    "{{bos_token}}{{ns.system}}{%- for m in messages %}{%- if m['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<|U|>' + m['content']}}{%- endif %}"
    "{%- if m['role'] == 'assistant' and m['content'] is not none %}{%- if ns.is_tool %}{{'<|outs end|>' + m['content'] + '<|end|>'}}{%- set ns.is_tool = false -%}"
    "{%- else %}{% set content = m['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{'<|A|>' + content + '<|end|>'}}{%- endif %}{%- endif %}{%- endfor -%}"
    "{% if add_generation_prompt and not ns.is_tool %}{{'<|A|><think>\\n'}}{% endif %}",
    "hi asked long system thought unicode",
)
template(
    "plain names", "raw text between tags, line ends after tags, none of the tokens but the end (DeepSeek V2, Vicuna)",
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'user' %}{{ 'User: ' + m['content'] + '\n\n' }}{% elif m['role'] == 'assistant' %}{{ 'Model: ' + m['content'] + eos_token }}"
    "{% elif m['role'] == 'system' %}{{ m['content'] + '\n\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'Model:' }}{% endif %}",
)
template(
    "checked calls", "loops with conditions, selectattr and equalto, list and last, nested raise, length of an id, string slices, namespace counters (Mistral v3, Nemo, tekken)",
    """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set turns = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set questions = turns | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in turns %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("turns must alternate, calls and results apart") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in turns %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == questions[-1]) %}
            {{- "[TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[Q] " + system_message + "\\n\\n" + message["content"] + "[/Q]" }}
        {%- else %}
            {{- "[Q] " + message["content"] + "[/Q]" }}
        {%- endif %}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("ids of calls have nine characters") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {%- if not loop.last %}
                {{- ", " }}
            {%- else %}
                {{- "]" + eos_token }}
            {%- endif %}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token }}
    {%- elif message["role"] == "tool_results" or message["role"] == "tool" %}
        {%- if message.content is defined and message.content.content is defined %}
            {%- set content = message.content.content %}
        {%- else %}
            {%- set content = message.content %}
        {%- endif %}
        {{- '[RESULTS] {"content": ' + content|string + ", " }}
        {{- '"call_id": "' + message.tool_call_id + '"}[/RESULTS]' }}
    {%- else %}
        {{- raise_exception("only user and assistant speak here, not " ~ message.role) }}
    {%- endif %}
{%- endfor %}
""",
    "hi system bad tools unused developer unicode",
)
template(
    "renamed roles", "a role set by condition, raise_exception on system, trim with + (Gemma 1, 2)",
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('there is no system turn') }}{% endif %}"
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns alternate') }}{% endif %}"
    "{% if (m['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = m['role'] %}{% endif %}"
    "{{ '<turn>' + role + '\\n' + m['content'] | trim + '</turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{'<turn>model\\n'}}{% endif %}",
    "hi asked long system bad unicode",
)
template(
    "prefixed question", "is iterable after is string, parts, a prefix from the system text, nested indices (Gemma 3)",
    """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set prefix = messages[0]['content'] + '

' -%}
    {%- else -%}
        {%- set prefix = messages[0]['content'][0]['text'] + '

' -%}
    {%- endif -%}
    {%- set turns = messages[1:] -%}
{%- else -%}
    {%- set prefix = "" -%}
    {%- set turns = messages -%}
{%- endif -%}
{%- for m in turns -%}
    {%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("user and assistant take turns") }}
    {%- endif -%}
    {%- if (m['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = m['role'] -%}
    {%- endif -%}
    {{ '<turn>' + role + '
' + (prefix if loop.first else "") }}
    {%- if m['content'] is string -%}
        {{ m['content'] | trim }}
    {%- elif m['content'] is iterable -%}
        {%- for item in m['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("what is this content?") }}
    {%- endif -%}
    {{ '</turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<turn>model
'}}
{%- endif -%}
""",
    "hi asked system parts bad unicode",
)
template(
    "short tags", "tags built from roles, in with lists, eos at the end without a prompt (Phi 3, 3.5, 4)",
    "{% for m in messages %}{% if m['role'] in ['system', 'user'] and m['content'] %}{{'<|' + m['role'] + '|>\\n' + m['content'] + '<|end|>\\n'}}"
    "{% elif m['role'] == 'assistant' %}{{'<|assistant|>\\n' + m['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}",
)
template(
    "tools in the message", "in for keys, is not none, printing of a list, line ends kept by + (Phi 4 mini)",
    "{% for m in messages %}{% if m['role'] == 'system' and 'tools' in m and m['tools'] is not none %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|tool|>' + m['tools'] + '<|/tool|>' + '<|end|>' }}"
    "{% else %}{{ '<|' + m['role'] + '|>' }}{{ m['content'] }}{{ '<|end|>' }}{% endif %}{% endfor %}\n"
    "{%+ if add_generation_prompt %}{{ '<|assistant|>' }}{% else %}{{ eos_token }}{% endif +%}\n",
)
template(
    "type names", "recursive macros, items of nested dictionaries, a key named items, join, replace, default values of arguments (Command R, Hermes)",
    """{%- macro name_of(kind) %}
    {%- set basic = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"} %}
    {%- if basic[kind] is defined %}
        {{- basic[kind] }}
    {%- elif kind == "array" %}{{- "list" }}
    {%- else %}{{- "any" }}{%- endif %}
{%- endmacro %}
{%- macro spell(spec, depth=0) -%}
    {%- if spec.type is string %}{{- name_of(spec.type) }}
        {%- if spec['items'] is defined and spec.type == "array" %}[{{ spell(spec['items'], depth + 1) }}]{% endif %}
    {%- elif spec.type is iterable and spec.type is not string %}
        {%- for kind in spec.type %}{{ name_of(kind) }}{% if not loop.last %} | {% endif %}{% endfor %}
    {%- else %}{{- "any" ~ depth }}{%- endif %}
{%- endmacro -%}
{{ bos_token }}{% if tools %}{% for tool in tools %}{% set f = tool.function if tool.function is defined else tool %}
def {{ f.name }}(
{%- for param, fields in f.parameters.properties.items() %}{{ param + ": " + spell(fields) }}
    {%- if param in (f.parameters.required or []) %}!{% endif %}{% if not loop.last %}, {% endif %}{% endfor %}):
    \"\"\"{{ f.description | default('no words') | replace('\\n', ' ') }}
    {%- for param, fields in f.parameters.properties.items() if fields.description is defined %}

    {{ param }}: {{ fields.description }}{% endfor %}\"\"\"
{% endfor %}{% endif %}
{%- for m in messages %}
{{ m.role | upper }}> {{ m.content }}{% if m.tool_calls %}{% for c in m.tool_calls %}
{{ c.function.name }}({% for k, v in c.function.arguments.items() %}{{ k }}={{ v | tojson if v is string else v }}{{ ", " if not loop.last }}{% endfor %}){% endfor %}{% endif %}
{%- endfor %}
{% if add_generation_prompt %}ASSISTANT>{% endif %}""",
    "hi system tools unused unicode",
)
template(
    "documents", "documents, keys and title, loop.index, tojson of a list, conditional blocks of text, a block set (Command R, Granite)",
    """{% set preamble %}
Answer from what you are given.
{% endset %}
{% if documents %}{{ preamble | trim }}
{% for doc in documents %}
Document: {{ loop.index0 }}
{% for key, value in doc.items() %}{{ key | title }}: {{ value }}
{% endfor %}{% endfor %}
All: {{ documents | tojson }}; titles {{ documents | map(attribute='title') | join(', ') }}
{% endif %}
{% for m in messages %}
<{{ m.role }}>{{ m.content }}</{{ m.role }}>
{% endfor %}
{%- if add_generation_prompt %}
<assistant>{% endif %}""",
    "hi system documents",
)
template(
    "lines and ends", "tags on lines of their own, trim_blocks and lstrip_blocks, comments, raw (Zephyr, SmolLM)",
    "{% for m in messages %}\n  {% if m['role'] == 'user' %}\n{{ '<|user|>\\n' + m['content'] + eos_token }}\n{% elif m['role'] == 'system' %}\n"
    "{{ '<|system|>\\n' + m['content'] + eos_token }}\n\t{% elif m['role'] == 'assistant' %}\n{{ '<|assistant|>\\n'  + m['content'] + eos_token }}\n{% endif %}\n"
    "{# a note #}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}\n{% raw %}{{ kept }}{% endraw %}\n\n",
)
template(
    "line ends of Windows", "line ends CR LF and CR, a multi-line string, one line end dropped at the end",
    "{% for m in messages %}\r\n{{ m.role }}:\r\n  {{ m.content + '\r\n--' }}\r{% endfor %}\r\nend\r\n",
    "hi long",
)
template(
    "generation blocks", "generation tags, with whitespace control, around trimmed content (SmolLM 3, TRL's training templates)",
    """{%- for message in messages %}
    {%- if message.role == "assistant" %}
        {{- '<im>assistant\\n' }}
        {%- generation %}
        {{- message.content | trim + '</im>' }}
        {%- endgeneration %}
        {{- '\\n' }}
    {%- else %}
        {{- '<im>' + message.role + '\\n' + message.content + '</im>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<im>assistant\\n' }}
{%- endif %}
""",
    "hi long system thought unicode",
)
template(
    "generation of calls", "generation around conditions and loops, set inside it, calls and thoughts (Qwen 3 for training)",
    "{% for m in messages %}{% if m.role == 'assistant' %}<A>{% generation %}{% if m.reasoning_content %}{% set r = m.reasoning_content %}<think>{{ r }}</think>{% endif %}"
    "{{ m.content }}{% for c in m.tool_calls or [] %}<call>{{ c.function | tojson }}</call>{% endfor %}</A>{% endgeneration %}{% else %}<{{ m.role }}>{{ m.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<A>{% endif %}",
    "hi thought tools",
)
template(
    "modes", "a mode from the record, string methods replace, rstrip, split and lower, flags in the system text, strftime_now (SmolLM 3)",
    """{%- set mode = "deep" if enable_thinking | default(true) else "quick" -%}
{%- if messages[0].role == "system" -%}
    {%- set system = messages[0].content -%}
    {%- if "tweet" in system -%}{%- set mode = "bird" -%}{%- endif -%}
    {%- set own = system.replace("tweet", "chirp").rstrip() -%}
{%- endif -%}
{{- "<im>system\\n" -}}
{{- "Day: " ~ strftime_now("%Y-%m-%d, %A %-d %B") ~ "\\nMode: " ~ mode.upper() ~ "\\n" -}}
{%- if own is defined -%}{{- own.split(":")[0].lower() ~ " / " ~ own.split(":", 1)[-1] -}}{%- endif -%}
{{- "</im>\\n" -}}
{%- for m in messages if m.role != "system" -%}
    {{- "<im>" ~ m.role ~ "\\n" ~ m.content.lstrip("\\n ") ~ "</im>\\n" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- "<im>assistant\\n" -}}{%- if mode == "quick" -%}{{- "<think></think>" -}}{%- endif -%}{%- endif -%}
""",
    "hi system calm unicode",
)
template(
    "roles with arguments", "split of a role, is in a list, chained comparisons, not in, dictionaries by item, get with a default (Granite, OLMo)",
    "{%- set names = {'user': 'Q', 'assistant': 'A'} -%}{%- for m in messages -%}{%- if m.role not in names and 0 < loop.index <= 1 -%}[{{ m.role.split(' ')[0] }}]"
    "{%- else -%}{{ names.get(m['role'], '?') }}{%- endif -%}: {{ m.get('content', '') }}{{ m.get('nothing', '') }}{{ '|' if m.get('name') is none else m.name }}\n"
    "{% if loop.last and m.role == 'assistant' %}{{ eos_token }}{% endif %}{%- endfor -%}{%- if add_generation_prompt -%}{{ names['assistant'] ~ ':' }}{%- endif -%}",
    "hi long system tools developer",
)
template(
    "previous and next", "loop.previtem, loop.nextitem, loop.changed, loop.cycle, revindex, depth, length (EXAONE, Qwen 3.5, Falcon)",
    "{% for m in messages %}{{ loop.cycle('-', '+') }}{{ loop.revindex }}/{{ loop.length }}{% if loop.previtem and loop.previtem.role == m.role %}={% endif %}{{ m.role }}"
    "{% if loop.nextitem is defined and loop.nextitem.role == 'tool' %}>{% endif %}{% if loop.changed(m.role) %}~{% endif %}{{ loop.depth }}{% for c in m.tool_calls or [] %}{{ loop.depth }}{{ c.id[-3:] }}{% endfor %};{% endfor %}"
    "{{ 'go' if add_generation_prompt else '' }}",
    "hi long system tools",
)
template(
    "instruction and response", "a dictionary of headings, string multiplication, blocks with filters, title (Alpaca)",
    "{% set heads = dict(user='Instruction', assistant='Response') %}{% for m in messages %}{% if m.role in heads %}{{ '#' * 3 }} {{ heads[m.role] }}:\n{{ m.content | trim }}\n\n"
    "{% else %}{% filter upper %}{{ m.content }}{% endfilter %}\n\n{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '#' * 3 ~ ' ' ~ 'response' | title }}:\n{% else %}{{ eos_token }}{% endif %}",
)
template(
    "observations", "tojson(ensure_ascii=False) and with separators, sorted keys, roles mapped, a generation prompt without line end (GLM 4, InternLM)",
    "[g]<sop>{% if tools %}<|system|>\nTools:{% for tool in tools %}\n## {{ tool.function.name }}\n{{ tool.function | tojson(indent=4, ensure_ascii=False) }}"
    "\n{{ tool | tojson(separators=(',', ':'), sort_keys=true) }}{{ tool | tojson(ensure_ascii=true) }}{% endfor %}{% endif %}"
    "{% for m in messages %}<|{{ 'observation' if m.role == 'tool' else m.role }}|>{% if m.tool_calls %}{% for c in m.tool_calls %}{{ c.function.name }}\n{{ c.function.arguments | tojson(ensure_ascii=true) }}{% endfor %}{% endif %}\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "hi system tools unused unicode",
)
template(
    "typed namespaces", "macros that write types, enums joined, is sequence, default(none), dictsort, loop over a list of lists, channels, developer turns (gpt-oss)",
    """{%- macro type_of(spec) -%}
    {%- if spec.type == "array" and spec['items'] -%}{{- type_of(spec['items']) ~ "[]" -}}
    {%- elif spec.type is sequence and spec.type is not string -%}{{- spec.type | join(" | ") -}}
    {%- elif spec.enum -%}{{- '"' ~ spec.enum | join('" | "') ~ '"' -}}
    {%- elif spec.type in ["integer", "number"] -%}{{- "number" -}}
    {%- else -%}{{- spec.type | default("any") -}}{%- endif -%}
{%- endmacro -%}
{%- if tools -%}namespace functions {
{% for tool in tools -%}{%- set f = tool.function -%}
// {{ f.description or "" }}
type {{ f.name }} = (_: { {% for name, spec in f.parameters.properties | dictsort -%}
{{ name }}{{ "" if name in f.parameters.get("required", []) else "?" }}: {{ type_of(spec) }}{% if spec.default is defined %} = {{ spec.default }}{% endif %}, {% endfor %}}) => any;
{% endfor -%}}
{% endif -%}
{%- for m in messages -%}
    {%- if m.role == "developer" or m.role == "system" -%}{{- "<|start|>developer<|message|># Instructions\\n\\n" ~ m.content ~ "<|end|>" -}}
    {%- elif m.role == "assistant" -%}
        {%- if m.thinking -%}{{- "<|start|>assistant<|channel|>analysis<|message|>" ~ m.thinking ~ "<|end|>" -}}{%- endif -%}
        {%- if m.tool_calls -%}{%- set c = m.tool_calls[0].function -%}{{- "<|start|>assistant to=functions." ~ c.name ~ "<|message|>" ~ (c.arguments | tojson) ~ "<|call|>" -}}
        {%- else -%}{{- "<|start|>assistant<|channel|>final<|message|>" ~ m.content ~ ("<|return|>" if loop.last and not add_generation_prompt else "<|end|>") -}}{%- endif -%}
    {%- else -%}{{- "<|start|>" ~ m.role ~ "<|message|>" ~ m.content ~ "<|end|>" -}}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|start|>assistant{%- endif -%}
""",
    "hi system developer thought tools unused",
)
template(
    "printed values", "True, False, None, floats, lists, dictionaries, tuples and texts as Python prints them, string and ~ (Llama 3.1's lists)",
    "{{ messages }}\n{{ messages[0] }} {{ [true, false, none, 1.0, 1e16, 1e-05, 0.1, -0.0, 'a\\'b', \"c\\\"d'e\", '\\n\\t\\\\'] }} {{ {'k': (1, 2), 'one': (1,)} }}"
    " {{ true }} {{ none }} {{ 1.50 }} {{ style }} {{ style.share }} {{ style | string | length }} {{ 'x' ~ style ~ true ~ none ~ 2.0 ~ [1, 'q'] }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 3 }} {{ 'ab' * 2 }}",
    "hi kwargs unicode",
)
template(
    "filters", "map, select, reject, rejectattr, sort, unique, groupby, sum, min, max, first, last, batch, round, int, float, abs, reverse, indent, items, wordcount, list",
    "{{ messages | map(attribute='role') | unique | list }}{{ messages | rejectattr('role', 'equalto', 'user') | map(attribute='content') | list }}"
    "{{ messages | selectattr('name', 'defined') | list | length }}{{ [3, 1, 2] | sort }}{{ ['b', 'A'] | sort }}{{ [1, 2, 3, 4] | select('even') | list }}{{ [1, 2] | reject('odd') | list }}"
    "{% for g in messages | groupby('role') %}{{ g.grouper }}:{{ g.list | length }};{% endfor %}{{ [1, 2.5] | sum }}{{ [1, 5] | max }}{{ [4, 2] | min }}{{ (messages | first).role }}{{ (messages | last).role }}"
    "{{ [1, 2, 3] | batch(2) | list }}{{ 2.567 | round(1) }}{{ 2.5 | round }}{{ '42' | int + 1 }}{{ 'x' | int(9) }}{{ '1.5' | float }}{{ -3 | abs }}{{ 'abc' | reverse }}{{ [1, 2] | reverse | list }}"
    "\n{{ 'a\\nb\\n\\nc' | indent }}\n{{ 'a\\nb' | indent(2, true) }}{{ style | default({}) | items | list }}{{ 'a b-c' | wordcount }}{{ 'abc' | list }}{{ messages | length }}{{ '' | first is defined }}{{ 'a,b' .split(',') | join('+') }}",
    "hi long kwargs",
)
template(
    "methods", "methods of texts, dictionaries and lists",
    "{% set s = messages[0].content %}{{ [s.strip(), s.lstrip(), s.rstrip('\\n'), s.split(), s.split(' ', 1), s.rsplit(None, 1), s.splitlines(), s.upper(), s.title(), s.capitalize(), s.swapcase()] }}"
    "{{ [s.find('o'), s.rfind('o'), s.count('e'), s.startswith((' ', 'x')), s.endswith('\\n'), s.replace('e', 'E', 1), s.isalpha(), s.strip().partition(' '), ', '.join(['a', 'b']), 'ab'.center(6, '*'), '7'.zfill(3), 'ab'.removeprefix('a')] }}"
    "{{ '{} and {x:>4}'.format('one', x=2) }}{{ '%s|%5.1f|%d' | format('a', 2.25, 3) }}{% set d = {'b': 1, 'a': 2} %}{{ d.items() | list }}{{ d.keys() | list }}{{ d.values() | list }}{{ d.get('c', 'none') }}{{ 'a' in d }}{{ [1, 2, 1].count(1) }}{{ ['x', 'y'].index('y') }}",
    "hi long",
)
template(
    "scopes", "what set reaches in if, for, with, macros and blocks; namespace; break, continue, else of a loop, call with caller",
    "{% set x = 1 %}{% for m in messages %}{% set x = x + 1 %}{{ x }}{% if loop.index == 2 %}{% continue %}{% endif %}{% if loop.index == 4 %}{% break %}{% endif %}{{ m.role[0] }}{% endfor %}{{ x }}"
    "{% if x == 1 %}{% set y = 'if' %}{% endif %}{{ y }}{% with z = x + 5 %}{{ z }}{% endwith %}{{ z is defined }}{% macro tag(name, kind='b') %}<{{ name }}{{ kind }}>{{ caller() if caller else '-' }}{% endmacro %}"
    "{% call tag('q') %}in {{ x }}{% endcall %}{{ tag('p', kind='c') }}{% set ns = namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}{% for q in [] %}{% else %}none{% endfor %}"
    "{% set block | trim %}  kept {{ x }} {% endset %}[{{ block }}]{% set a, b = 1, 'two' %}{{ a }}{{ b }}{% for a, b in [(1, 2), (3, 4)] %}{{ a + b }}{% endfor %}",
    "hi long system",
)
template(
    "undefined and none", "undefined in tests, loops, defaults and text, none against undefined, tools and documents that are none",
    "{{ nothing }}{{ nothing is defined }}{{ nothing is none }}{{ nothing is string }}{{ nothing is iterable }}{{ nothing == none }}{{ none == false }}{{ messages[0].nothing }}{{ messages[9] }}{% for q in nothing %}x{% endfor %}"
    "{{ nothing | default('d') }}{{ none | default('d') }}{{ '' | default('d', true) }}{{ nothing or 'or' }}{{ nothing ~ 'x' }}{{ nothing | length }}{{ (nothing if false) is defined }}"
    "{{ tools is none }}{{ tools is defined }}{{ documents is none }}{{ bos_token is defined }}{{ pad_token is defined }}{{ 'a' in nothing }}{{ tools is not none and tools | length }}",
    "hi tools",
)
