//! What to do about an exception, by what it says.

use runwatch_detector::Severity;
use runwatch_detector::text::last_part;

/// Words of a message (or of the type, where they begin with `@`) and what to do.
const ADVICE: &[(&[&str], &str)] = &[
    (
        &[
            "device-side assert",
            "illegal memory access",
            "misaligned address",
            "unspecified launch failure",
        ],
        "Run the failing step again with CUDA_LAUNCH_BLOCKING=1: the frame shown is often not the guilty \
         one. The usual cause is an index out of range (a token or label id beyond the embedding's size). \
         If it moves around or happens on one machine only, suspect the GPU: look for Xid lines in dmesg.",
    ),
    (
        &[
            "NCCL",
            "ncclUnhandled",
            "ncclSystemError",
            "ncclInternalError",
            "@DistBackendError",
        ],
        "One rank usually fails first and the others follow: find the earliest error of all ranks. If there \
         is none, run with NCCL_DEBUG=INFO and check the network and the GPUs of the nodes named.",
    ),
    (
        &[
            "Connection closed by peer",
            "Connection reset by peer",
            "remote worker crashing",
            "Socket closed",
        ],
        "Another process died first: look for the earliest error of the other ranks.",
    ),
    (
        &[
            "No CUDA GPUs are available",
            "no CUDA-capable device",
            "CUDA driver version is insufficient",
            "Found no NVIDIA driver",
        ],
        "The process sees no GPU: check CUDA_VISIBLE_DEVICES, the scheduler's GPU request and `nvidia-smi` \
         on that machine.",
    ),
    (
        &[
            "CUDA error",
            "CUDNN_STATUS",
            "CUBLAS_STATUS",
            "cuDNN error",
            "HIP error",
        ],
        "Run again with CUDA_LAUNCH_BLOCKING=1 to see the guilty call. If it does not come again, suspect the \
         GPU or its driver: check dmesg for Xid lines and `nvidia-smi -q`.",
    ),
    (
        &[
            "No space left on device",
            "Disk quota exceeded",
            "Errno 28",
            "Errno 122",
        ],
        "The disk is full. Free space (old checkpoints, caches) before the next start, and check that the last \
         checkpoint is complete: it may have been cut off.",
    ),
    (
        &[
            "Bus error",
            "shared memory",
            "Too many open files",
            "received 0 items of ancdata",
        ],
        "Shared memory or file handles ran out: raise the container's --shm-size or `ulimit -n`, use fewer \
         loader workers, or set torch.multiprocessing.set_sharing_strategy('file_system').",
    ),
    (
        &[
            "Error(s) in loading state_dict",
            "size mismatch for",
            "Missing key(s) in state_dict",
            "Unexpected key(s)",
        ],
        "The checkpoint does not fit the model: compare the configuration it was saved with (layers, hidden \
         size, vocabulary, LoRA or FSDP wrapping) with this run's.",
    ),
    (
        &[
            "PytorchStreamReader failed",
            "invalid load key",
            "central directory",
            "HeaderTooLarge",
            "@UnpicklingError",
        ],
        "The file is broken or cut off, often a checkpoint whose writing was interrupted, or a Git LFS pointer: \
         go back to the one before it.",
    ),
    (
        &[
            "must be divisible",
            "mat1 and mat2 shapes",
            "size of tensor a",
            "shapes cannot be multiplied",
            "Sizes of tensors must match",
        ],
        "Shapes do not fit: check the batch size, sequence length and parallel sizes in the configuration, and \
         the last, smaller batch of an epoch.",
    ),
    (
        &[
            "Expected all tensors to be on the same device",
            "but got Half",
            "but found Float",
            "must have the same dtype",
        ],
        "Two tensors differ in device or type: look at what the frame shown creates without the model's \
         device and dtype.",
    ),
    (
        &[
            "one of the variables needed for gradient",
            "does not require grad",
            "element 0 of tensors",
        ],
        "The backward pass has no way through: check detach(), no_grad() and in-place changes on the way to \
         the loss.",
    ),
    (
        &[
            "parameters that were not used in producing loss",
            "Expected to have finished reduction",
        ],
        "Some parameters get no gradient on this rank: make every rank run the same layers, or set \
         find_unused_parameters=True.",
    ),
    (
        &[
            "address already in use",
            "EADDRINUSE",
            "Address already in use",
        ],
        "The port is taken, often by the processes of an earlier run: end them or choose another MASTER_PORT.",
    ),
    (
        &[
            "402",
            "Payment Required",
            "insufficient_quota",
            "Insufficient Balance",
            "exceeded your current quota",
        ],
        "The provider refuses for lack of credit: top up the account or switch the provider. Every request \
         fails until then.",
    ),
    (
        &[
            "401",
            "403",
            "Unauthorized",
            "Forbidden",
            "invalid api key",
            "gated repo",
            "@GatedRepoError",
            "@AuthenticationError",
        ],
        "Access is refused: check the token or key in the job's environment, and that the account may use \
         this model or data set.",
    ),
    (
        &["429", "Too Many Requests", "rate limit", "@RateLimitError"],
        "The service asks to slow down: lower the number of requests at once and retry with a growing pause.",
    ),
    (
        &["@ModuleNotFoundError", "@ImportError"],
        "A package is missing or of the wrong version in the environment the job really uses: check the \
         activated environment on that node, and install what the message names.",
    ),
    (
        &[
            "@FileNotFoundError",
            "@NotADirectoryError",
            "does not appear to have a file named",
            "@DatasetNotFoundError",
        ],
        "Check that the path is right and that its disk is mounted on that node. If it is one sample of many, \
         remove it from the index or skip samples that cannot be read.",
    ),
    (
        &["@PermissionError", "Read-only file system"],
        "Check the owner and mode of the path named, and that its disk is not mounted read-only.",
    ),
    (
        &[
            "@JSONDecodeError",
            "@ParserError",
            "@UnicodeDecodeError",
            "@UnidentifiedImageError",
            "@ArrowInvalid",
        ],
        "An input file is broken or empty: find which one (the frame's code reads it), check that its download \
         is complete, and skip samples that cannot be read.",
    ),
    (
        &[
            "@KeyError",
            "@AttributeError",
            "@IndexError",
            "@TypeError",
            "@NameError",
            "@UnboundLocalError",
        ],
        "Read the frame shown: the data or configuration differ from what the code expects, or a library was \
         updated. Print the value it uses.",
    ),
    (
        &["@AssertionError"],
        "The job checks something itself here: read the condition in the frame shown, and compare its numbers \
         with the configuration.",
    ),
    (
        &["@NotImplementedError", "UNIMPLEMENTED"],
        "This case is not supported by the code shown or by the installed driver: choose another option in the \
         configuration, or update what the message names.",
    ),
    (
        &["@SyntaxError", "@IndentationError", "@TabError"],
        "The file does not parse: correct it, and check which version was deployed.",
    ),
    (
        &["@RecursionError"],
        "Code calls itself without end: read the frames of the traceback.",
    ),
    (
        &[
            "@ZeroDivisionError",
            "@FloatingPointError",
            "@OverflowError",
        ],
        "A count or norm is zero or too large here: look for an empty batch, list or data set.",
    ),
    (
        &[
            "@TimeoutError",
            "@ReadTimeout",
            "@ConnectTimeout",
            "@ConnectionError",
            "@ConnectionRefusedError",
            "Max retries exceeded",
            "Temporary failure in name resolution",
            "Couldn't connect",
            "offline",
        ],
        "The other side cannot be reached: check the network from that node, and whether the service is up. \
         With data and models in the local cache, offline mode avoids it.",
    ),
];

/// What to do about an exception.
pub(crate) fn of(name: &str, message: &str, severity: Severity) -> String {
    let name = last_part(name);
    let says = |word: &&str| match word.strip_prefix('@') {
        Some(kind) => name == kind,
        None => contains_word(message, word),
    };
    let known = ADVICE.iter().find(|(words, _)| words.iter().any(says));
    let advice = known.map_or(
        "Read the last lines of the traceback in the log: the frame shown is the innermost one of your own code.",
        |(_, advice)| advice,
    );
    match (name, severity) {
        ("KeyboardInterrupt" | "SystemExit" | "GeneratorExit", _) => {
            "Somebody or the job itself ended it. If it was not you, find out who; else nothing is to be done."
                .to_owned()
        }
        (_, Severity::Critical) => format!(
            "Check whether the job still runs; an exception like this usually ends it. {advice} Then go on from \
             the last checkpoint."
        ),
        (_, Severity::Warning) => format!(
            "See whether the job goes on: this is often caught and tried again. If it does not, or it keeps \
             coming: {advice}"
        ),
        (_, Severity::Info) => {
            "Nothing is to be done if the job goes on; it does not end a process.".to_owned()
        }
    }
}

/// Whether the message has the word; a number only as a status code of HTTP.
fn contains_word(message: &str, word: &str) -> bool {
    if !word.bytes().all(|b| b.is_ascii_digit()) {
        return message.contains(word);
    }
    let web = ["HTTP", "http", "status", "code:", "Client Error"];
    if !web.iter().any(|sign| message.contains(sign)) {
        return false;
    }
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.');
    message.match_indices(word).any(|(at, _)| {
        let before = message.get(..at).and_then(|text| text.chars().next_back());
        let after = message
            .get(at + word.len()..)
            .and_then(|text| text.chars().next());
        !is_digit(before) && !is_digit(after.filter(|c| *c != '.'))
    })
}
