"""What Samara is, does and is not; its commands. Facts are those of the README."""

from talk.text import pick, reply

# (questions, reply). "S" in brackets is Samara under one of its names.
S = "{Samara|Samara|Samara|Samara|this project|the Samara project|this program|the runtime}"
KNOW = (
    "{Would you tell me|Can you explain|I want you to explain|I would like to hear|Help me to"
    " understand|Say in short|Tell me|Can you tell me|Do you know|Please tell me|I want to know|I'd"
    " like to know|Could you explain|Explain|Please explain|Say}"
)
HOWTO = (
    "{What should I do to|What must I do to|Which of the programs can|What do I use to|What is used"
    " to|Please explain how to|In which way can I|I wonder how to|Do you know how to|Help me"
    " to|With what can I|How do I|How can I|How do you|How would I|How does one|What is the command"
    " to|Which command do I use to|What command can I use to|With which program do I|How to|I want"
    " to|I would like to|Tell me how to|Show me how to|Please show me how to|Can you show me how"
    " to|Which tool do I need to|Which tool can|What do I type to|Which program can|What is the way"
    " to|How should I|I need to|Is there a way to|Can I}"
)

FACTS = [
    (
        (
            f"What is [S]|What's Samara|{KNOW} what [S] is|{KNOW} {{about|something about|more"
            " about} [S]|What does [S] do|Describe [S]|What is Samara {about|for|used for|good"
            " for}|What is the purpose of [S]|What {kind|sort} of"
            " {program|software|project|thing|tool} is [S]|Why {would|should} I use [S]|Give"
            " me {a summary|an overview} of [S]|What's the idea {of|behind} [S]|Samara - what"
            " is {that|it}|{Talk|Tell me} about [S]|Introduce [S]|What can [S] do|Summarize"
            " [S]|Have you heard of Samara"
        ),
        (
            "{Samara packs a language model once into one file and runs it anywhere.|Samara packs a"
            " language model into one file and runs it anywhere.}"
        ),
    ),
    (
        (
            "What does the {word|name} Samara mean|What is a samara|Why is it called"
            f" Samara|Where does the name {{Samara |}}come from|{KNOW} what a samara is|{KNOW} why"
            " it is called Samara|What does Samara mean|Why the name Samara|Why {that|this}"
            " name|What is the meaning of {the name|the word} Samara|Is a samara a"
            " {plant|seed|fruit}|How did Samara get its name"
        ),
        "A samara is a maple's winged seed: it carries all that it needs.",
    ),
    (
        (
            "{What is|Is there} a .samara file|What is {in|inside} {a .samara file|the file|a"
            " package|a Samara package|a Samara file}|What does {a .samara file|a package|the"
            f" package|a Samara file}} {{contain|hold}}|{KNOW} what is in {{a package|a .samara"
            " file|the file}|What are .samara files|Which things are stored in {the file|a"
            " package}|How many files does {a|my|one} model {need|have|become}|How many files"
            " do I need|What do I have to copy to {another|my other} machine"
        ),
        (
            "A .samara file is one file that holds everything: graph, weights, tokenizer, chat"
            " template and golden outputs."
        ),
    ),
    (
        (
            f"Does [S] {{need|require|use}} {{the internet|a network|a cloud|the cloud|an internet"
            f" connection|to be online|a server}}|Is [S] {{a cloud service|online|a website|a web"
            f" service|a server|an app}}|Does [S] work {{offline|without internet|without a"
            f" network}}|Can [S] {{work|run}} {{offline|without the internet|without a"
            f" network}}|Where does [S] run|Does {{my data|my text}} leave my"
            f" {{machine|computer}}|Is my data {{sent|uploaded}} {{somewhere|anywhere|to a"
            f" server}}|Do I need {{to be online|internet|a connection}}"
        ),
        "Samara runs on your own machine. It needs no network and sends nothing.",
    ),
    (
        (
            f"Can [S] {{train|fine-tune|teach}} {{a model|models|me a model}}|Is [S] for"
            f" training|Does [S] {{train|make|create}} models|Can I {{train|fine-tune}} {{a"
            f" model|models|my model}} with [S]|Does [S] do training|Is training possible with"
            f" [S]|How do I train a model{{| with [S]}}"
        ),
        "No. Samara runs models, it does not train them.",
    ),
    (
        (
            "{What|Which} licen{s|c}e does [S] {have|use}|{What|Which} is the"
            " licen{s|c}e{| of [S]}|Is [S] {free|open source|free software|open}|{May|Can}"
            " I use [S] {for free|at work|in my product|commercially}|Under which licence is"
            f" [S]|What does [S] cost|How much does [S] cost|Do I have to pay for [S]|{KNOW} the"
            " licence of [S]|How is [S] licensed"
        ),
        "Samara is free software under the Apache-2.0 licence.",
    ),
    (
        (
            "{What|Which} {programming |}language is [S] written in|{What|Which}"
            " {programming |}language does [S] use|In {what|which} language {is [S]"
            " written|was [S] made}|Is [S] written in {Python|C++|Rust|Java|Go|C}|How is [S]"
            " {written|programmed|implemented}|Is [S] a {Python|Rust|Java|C++}"
            f" {{program|library|project}}|{KNOW} which language [S] is written in|What is [S]"
            " {made|written|coded} in"
        ),
        "Samara is written in C++20. Its library has a C99 header.",
    ),
    (
        (
            f"Does [S] need a {{GPU|graphics card}}|Do I need a {{GPU|graphics card|special"
            f" computer}}|Can [S] run on {{a CPU|the CPU|a laptop|an old computer|a normal"
            f" computer}}|Is a {{GPU|graphics card}} {{needed|required|necessary}}|What hardware"
            f" does [S] need|Does [S] run on {{the CPU|a CPU|my laptop|CPUs}}|Can I use [S] without"
            f" a {{GPU|graphics card}}|What {{machine|computer}} do I need{{| for [S]}}"
        ),
        "Samara needs no GPU. It runs on the CPU.",
    ),
    (
        (
            f"{{What|Which}} {{platforms|systems|operating systems|machines|processors}} does [S]"
            f" {{support|run on}}|Does [S] run on {{Linux|ARM|AArch64|x86}}|{{Which|What}}"
            f" {{platforms|systems}} are supported|Where can I run [S]|Can I use [S] on {{Linux|an"
            f" ARM machine|a Linux machine}}|Is Linux supported|Which operating system do I need|On"
            f" {{what|which}} systems does it run"
        ),
        "Samara runs on Linux, on x86-64 and on AArch64.",
    ),
    (
        (
            "How much memory does {a model|[S]|it|my model} {need|use|take}|{Can|May} I know"
            " the memory {before|before loading|in advance}|What is the memory contract|How can"
            f" I see {{the memory|how much memory a model needs}}|{KNOW} about {{memory|the memory"
            " contract}|How does [S] {use|handle|plan} memory|{How|Where} do I see the memory"
            " {of a model|need|list|contract}|Will my model fit into memory|Does my model fit in"
            " {memory|RAM}|Show me the memory of a model|How much RAM do I need|What about"
            " memory"
        ),
        (
            "Memory is known before a model is loaded: samara-inspect model.samara --memory lists"
            " every byte."
        ),
    ),
    (
        (
            "How {can|do} I {limit|bound|restrict} {the |}memory|{Can|How do} I set a"
            " {memory budget|memory limit}|What is a memory budget|What does --memory-budget"
            " do|Is there a {memory limit|memory budget}|Which {flag|option} {limits"
            f" memory|sets the memory budget}}|{KNOW} how to limit memory"
        ),
        (
            "Use --memory-budget BYTES, as in --memory-budget 300M. Samara refuses to load if more"
            " would be needed."
        ),
    ),
    (
        (
            "Are the {results|logits|outputs|answers} {always the same|the"
            " same|reproducible|deterministic|equal}{| on every machine| with more threads}|Is"
            " [S] {deterministic|reproducible}|Do I get the same"
            " {result|results|bits|answer|output} {every time|with more threads|on every CPU|on"
            " another machine|again}|What does {the same bits|same bits} mean|Does the number"
            f" of threads change the {{result|output|answer|bits}}|{KNOW} about {{the same"
            " bits|determinism}|Do results depend on {the threads|the CPU|the number of"
            " threads}"
        ),
        "Yes, the bits are the same: for any number of threads and any instruction set of the CPU.",
    ),
    (
        (
            "Which {models|model families|families|architectures} does [S]"
            " {support|know|run|read|understand}|{What|Which} models {can|may} I"
            " {use|run|convert}|Does [S] {support|run} {Llama|Mistral|Qwen|Qwen3|Llama"
            f" 3|Qwen2}}|Can [S] run {{Llama|Mistral|Qwen|Llama 3|Qwen3|other models}}|{KNOW} which"
            " models {work|are supported|can be converted}|Is {Llama|Mistral|Qwen}"
            " supported|Can I {convert|use} {a Llama|a Mistral|a Qwen} model|Which families"
            " are known"
        ),
        (
            "Samara runs Llama, Mistral, Qwen2 and Qwen3, among others. samara-convert --list names"
            " them all."
        ),
    ),
    (
        (
            "{What|Which} {weight types|types|quantizations|quantization types} {are"
            " there|does [S] have|does [S] support|can I use|exist}|What is"
            " {q8_0|q4_0|quantization|bf16|Q8_0|Q4_0}|What does"
            f" {{q8_0|q4_0|quantize|quantization}} mean|{KNOW} {{about|what is}}"
            " {quantization|q8_0|q4_0|weight types}|Which formats can weights have|What is a"
            " weight type"
        ),
        (
            "Weights can be f32, f16, bf16, q8_0, q4_0 and others. Q8_0 and q4_0 are small: 8 or 4"
            " bits a weight."
        ),
    ),
    (
        (
            "Is [S] safe{| with bad files| with hostile files}|What happens {with|if I load} a"
            " {broken|bad|hostile|damaged} file|Can a {bad|hostile|broken|damaged} file"
            " {crash|harm|break} [S]|What if {the file|my file|a file} is"
            " {broken|damaged|bad|hostile}|Are {unknown|hostile} files"
            f" {{safe|dangerous}}|{KNOW} about safety|Is it safe to {{load|open}} {{a file from a"
            " stranger|any file|an unknown file}"
        ),
        "Hostile files are safe: any bytes give success or a named error.",
    ),
    (
        (
            f"Can [S] {{see|read|understand|show|draw|make}} {{images|pictures|photos|videos}}|Does"
            f" [S] {{support|understand}} {{images|vision|pictures|sound|audio|video}}|Can [S]"
            f" {{hear|speak|play music}}|Can you {{see|draw|show me|make|look at|paint}} {{a"
            f" picture|pictures|images|a photo|an image}}|Does [S] work with"
            f" {{images|audio|sound|pictures}}"
        ),
        "No, only text. Images and sound are not supported.",
    ),
    (
        (
            "Which {programs|commands|tools} {are there|does Samara have|do you have|come with"
            " Samara|exist|can I use|are included}|What {programs|commands|tools} {are"
            f" there|does Samara have}}|List {{the|all|your}} {{programs|commands|tools}}|{KNOW}"
            " {the commands|the programs|the tools|about the commands|about the programs}{| of"
            " Samara}|What are {the|Samara's} {commands|programs|tools}|Name the"
            " {programs|commands|tools}{| of Samara}|How many {programs|commands|tools} does"
            " Samara have"
        ),
        (
            "There are five programs: samara-convert, samara-chat, samara-inspect, samara-bench and"
            " samara-eval."
        ),
    ),
    (
        (
            f"What {{is|does}} samara-convert{{| do| for}}|What is samara-convert for|{HOWTO}"
            " {convert|pack|import|translate} {a model|my model|a checkpoint|my checkpoint|a"
            f" Hugging Face model|models}}|{HOWTO} {{make|create|get|build|write}} a"
            f" {{package|.samara file|Samara file|Samara package}}|{KNOW} about"
            " samara-convert|Where do packages come from|How does {conversion|converting}"
            " work|Explain samara-convert|When do I need samara-convert|How is a model"
            " {converted|packed}|How do models become .samara files"
        ),
        (
            "samara-convert makes a package from a checkpoint: samara-convert path/to/model -o"
            " model.samara"
        ),
    ),
    (
        (
            f"{HOWTO} {{quantize|shrink|compress|make smaller}} {{a model|my model|the"
            f" weights|weights|a checkpoint}}|{HOWTO} make {{a model|my model|the weights|the"
            " file} smaller|How do I {get|make} a {q8_0|q4_0|small|smaller|quantized}"
            f" {{file|model|package}}|What does --quant do|{KNOW} about {{--quant|the option"
            " --quant}|My model is too {big|large}|Can weights be"
            f" {{smaller|quantized|compressed}}|{HOWTO} use {{q8_0|q4_0}}"
        ),
        "Use the option --quant: samara-convert path/to/model -o model.samara --quant q8_0",
    ),
    (
        (
            f"What {{is|does}} samara-chat{{| do| for}}|What is samara-chat for|{HOWTO}"
            f" {{chat|talk|speak}} {{with|to}} {{a model|my model|the model|a package}}|{HOWTO}"
            f" {{run|use|start|try}} {{a model|my model|the model|a package|a chat}}|{KNOW} about"
            " samara-chat|Explain samara-chat|When do I need samara-chat|Where can I {chat|talk}"
            f" with {{a model|my model}}|{HOWTO} {{open|begin|get}} a {{chat|conversation}}"
        ),
        "samara-chat lets you talk with a model: samara-chat model.samara",
    ),
    (
        (
            f"What {{is|does}} samara-inspect{{| do| for}}|What is samara-inspect for|{HOWTO}"
            " {look into|inspect|examine|see what is in|look at} {a package|a file|a .samara"
            f" file|a model|my model|the package}}|{KNOW} about samara-inspect|Explain"
            f" samara-inspect|When do I need samara-inspect|{HOWTO} {{see|list}} the"
            " {tensors|graph|plan}{| of a model| of a package}"
        ),
        "samara-inspect shows what is in a package: its memory, graph, tensors and plan.",
    ),
    (
        (
            f"{HOWTO} {{verify|check|test}} {{a model|a package|my package|my model|a file|the"
            f" file}}|What does --verify do|{KNOW} about --verify|How {{do|can}} I know that {{a"
            " model|a package|my model|it} {is right|works|is correct|is not broken}|What are"
            " goldens|What are golden outputs|Is my {package|model|file}"
            " {correct|right|intact|okay}|Is there a {check|test} {of|for}"
            " {packages|models|a package}"
        ),
        (
            "samara-inspect model.samara --verify replays the golden outputs and names the first"
            " operator that is off."
        ),
    ),
    (
        (
            f"What {{is|does}} samara-bench{{| do| for}}|What is samara-bench for|{HOWTO}"
            " {measure|test|see|find out} {the |}speed{| of a model| of my model}|How fast"
            f" is {{[S]|my model|a model|it}}|{HOWTO} {{benchmark|time}} {{a model|my model|the"
            f" model}}|{KNOW} about samara-bench|Explain samara-bench|When do I need"
            f" samara-bench|{HOWTO} measure how fast {{a model|my model|it}} is|How many tokens per"
            " second {do I get|does it make}"
        ),
        "samara-bench measures speed: samara-bench model.samara",
    ),
    (
        (
            f"What {{is|does}} samara-eval{{| do| for}}|What is samara-eval for|{HOWTO}"
            " {measure|compute|get|find} {the |}{perplexity|quality|logits|KL|divergence}{|"
            f" of a model| of my model}}|{HOWTO} {{see|get}} the {{tokens|logits}}{{| of a"
            f" text}}|{KNOW} about samara-eval|Explain samara-eval|When do I need"
            f" samara-eval|{HOWTO} {{tokenize|split}} {{a text|text}}|How good is my model|{HOWTO}"
            " compare two {packages|models}"
        ),
        (
            "samara-eval measures quality: perplexity, divergence and logits. It also shows the"
            " tokens of a text."
        ),
    ),
    (
        (
            f"{HOWTO} {{build|compile|install}} [S]|How is [S] {{built|compiled|installed}}|What"
            f" does ./dev build do|{KNOW} how to {{build|compile|install}} [S]|How do I get"
            f" started{{| with [S]}}|{HOWTO} {{start|begin}} with [S]|How do I begin|What do I do"
            " first|What are the first steps|What is the quickest start|What does ./dev demo"
            " do|What does dev demo do"
        ),
        "Begin with ./dev demo: it builds Samara, converts a small model and lets it write.",
    ),
    (
        (
            f"{HOWTO} {{run|start}} the tests|What does ./dev test do|How is [S] tested|{KNOW} how"
            f" to test [S]|How {{do|can}} I test [S]|Are there tests|Where are the tests|{HOWTO}"
            " test [S]|Is [S] tested"
        ),
        "./dev test builds and tests everything.",
    ),
    (
        (
            f"{HOWTO} {{set|choose|change}} the {{number of |}}threads|{HOWTO} use"
            " {more|two|four|fewer} threads|What does --threads do|How many threads does [S]"
            f" use|{KNOW} about {{threads|--threads}}|Which {{flag|option}} sets the {{number of"
            " |}threads|Can I use {more|several|two|four} {threads|cores}"
        ),
        "Use --threads N. By default it takes the CPUs that the process may use.",
    ),
    (
        (
            f"What is {{the |}}temperature|What does --temp do|{HOWTO} {{set|change}} the"
            f" temperature|What is greedy|{KNOW} about {{temperature|--temp|sampling}}|{HOWTO} get"
            " {greedy|the same} {text|answers|output}|How {do|can} I {turn off|stop}"
            " {randomness|sampling}|Why are answers {random|different each time}|Which"
            " {flag|option} makes it greedy|What does --temp 0 mean"
        ),
        "Use --temp: a low temperature makes sure words likely, and --temp 0 is greedy.",
    ),
    (
        (
            f"What is {{a |the |}}seed|What does --seed do|{HOWTO} set {{a|the}} seed|{KNOW} about"
            " {seeds|--seed}|Which {flag|option} sets the seed|What are seeds for"
        ),
        "Use --seed S: the same seed gives the same text everywhere.",
    ),
    (
        (
            f"{HOWTO} {{see|get|find}} {{help|all options|the options|the flags}}|What does --help"
            " do|Where is the {manual|documentation|help}|Where can I {read|find} {more|the"
            " manual|the documentation}|Is there {a manual|documentation|a help text}|Which"
            f" options {{does samara-chat have|are there|does samara-bench have}}|{KNOW} where the"
            " {manual|documentation} is"
        ),
        "Every program takes --help. The library's manual is its header, samara.h.",
    ),
    (
        (
            "What do the exit codes mean|{Which|What} exit codes {are there|does [S]"
            f" use|exist}}|What {{does|is}} exit code {{0|1|2}}{{| mean}}|{KNOW} {{about|the}} exit"
            " codes|What does it return on {an error|failure|success}"
        ),
        "Exit code 0 is success, 1 means that the work failed, 2 is bad usage or bad input.",
    ),
    (
        (
            f"{HOWTO} use [S] {{in|from}} {{my program|my code|C|C++|my app}}|{{What|Where}} is"
            " {the header|samara.h|the library|the C API|the API}|Does [S] have {a library|a C"
            f" API|an API|a C interface}}|{HOWTO} {{link|embed|include}} {{[S]|the library}}|Is"
            f" there {{a library|an API|a C API}}|{KNOW} about the {{library|API|header|C"
            " API}|What is libsamara|Which header do I include"
        ),
        "Include samara.h and link libsamara. The header is C99 and is the whole interface.",
    ),
    (
        (
            f"What is [S] not|What can't [S] do|What {{does|can}} [S] not do|What are the limits of"
            f" [S]|What is missing{{| in [S]}}|What does [S] not {{support|have}}"
        ),
        (
            "Samara does not train models, needs no cloud, and is no chat service. It only runs"
            " models on your machine."
        ),
    ),
    (
        (
            f"Is [S] {{big|small|fast|slow|large|tiny}}|How {{big|large|small}} is {{[S]|the"
            f" library}}|How {{many|much}} {{bytes|space}} does the library {{have|need|take}}|What"
            f" is the size of {{[S]|the library}}"
        ),
        "The library is smaller than one megabyte, and it is built to be fast.",
    ),
]


def fact(s, rng, number=None):
    questions, answer = FACTS[int(rng.random() * len(FACTS)) if number is None else number]
    name = pick(rng, S)
    question = s.say(questions, S="%S%").replace("%S%", name).replace("%s%", name.lower())
    return question[:1].upper() + question[1:] if not s.lower else question, reply(rng, answer)
