// `{{name}}`: the evaluation loss goes up again and again.
//
// runwatch.h is the SDK: a detector is a few functions and the table of them
// at the end of this file.

#include "runwatch.h"

// One series of one rank.
struct watch {
    bool seen;      // whether there was a value before
    double last;    // which one
    uint32_t rises; // how many times in a row it has risen
    bool reported;  // whether the trouble has been reported and is not over
};

// Watches one run: runwatch opens one for each. It begins as zeros.
struct monitor {
    uint32_t times;   // how many rises in a row are too many
    rw_keyed watches; // a `struct watch` for each series and rank
};

// What the detector is, and what can be set in runwatch.toml.
static void describe(rw_description *description) {
    rw_describe(description, "{{name}}", "0.1.0",
                "The evaluation loss goes up again and again");
    rw_parameter *times =
        rw_add_parameter(description, "times", "integer", "3", "evaluations",
                         "How many rises in a row are too many.");
    rw_limit(times, "min", "1");
    rw_limit(times, "max", "100");
}

// A run begins. Every parameter is there and valid. What is returned is an
// error for the user, such as "low is above high"; NULL if there is none.
static const char *begin(struct monitor *monitor, const rw_pairs *run,
                         const rw_pairs *parameters) {
    (void)run;
    monitor->times = (uint32_t)rw_integer(parameters, "times");
    monitor->watches.size = sizeof(struct watch);
    return NULL;
}

// What to be told of; nothing else is.
static void interests(struct monitor *monitor, rw_interests *interests) {
    (void)monitor;
    rw_add_interest(interests, "metric", "eval_loss");
}

static void report_rising(rw_findings *findings, rw_point point, uint32_t rises) {
    // The key says what is wrong, not how much.
    rw_finding *finding = rw_firing(findings, "rising", "warning", point.row);
    rw_title(finding, "Evaluation loss keeps rising");
    rw_message(finding, "eval_loss has risen %u times in a row, to %s at step %lld.",
               (unsigned)rises, rw_number(point.value), (long long)point.step);
    rw_recommendation(finding,
                      "Compare with the training loss: if that still falls, the model "
                      "overfits. Stop here, or go back to the best checkpoint.");
    rw_value(finding, "eval_loss", point.value);
    rw_value(finding, "rises", rises);
}

static void report_falling(rw_findings *findings, rw_point point) {
    rw_finding *finding = rw_resolved(findings, "rising", point.row);
    rw_title(finding, "Evaluation loss falls again");
    rw_message(finding, "eval_loss is %s at step %lld.", rw_number(point.value),
               (long long)point.step);
}

// New rows, in the order in which the job printed them: one row live, or
// thousands in review. That must not change what is found.
static void observe(struct monitor *monitor, const rw_batch *batch,
                    rw_findings *findings) {
    for (size_t i = 0; i < batch->points; i++) {
        rw_point point = rw_point_at(batch, i);
        // NaN is data, but it is the business of another detector, and nothing
        // can be compared with it.
        if (!isfinite(point.value)) {
            continue;
        }
        struct watch *watch = rw_keyed_of(&monitor->watches, point.series, point.rank);
        bool rose = watch->seen && point.value > watch->last;
        watch->rises = rose ? watch->rises + 1 : 0;
        watch->seen = true;
        watch->last = point.value;
        // Once when it begins, and once when it is over.
        if (watch->rises >= monitor->times && !watch->reported) {
            watch->reported = true;
            report_rising(findings, point, watch->rises);
        } else if (!rose && watch->reported) {
            watch->reported = false;
            report_falling(findings, point);
        }
    }
}

// The state, so that a restart goes on where it was.
static rw_bytes save(struct monitor *monitor) {
    return rw_keyed_save(&monitor->watches);
}

static const char *restore(struct monitor *monitor, rw_bytes saved) {
    return rw_keyed_restore(&monitor->watches, saved);
}

// The run is over: what the monitor has allocated is freed.
static void end(struct monitor *monitor) {
    rw_keyed_free(&monitor->watches);
}

const rw_detector rw_this_detector = {
    .size = sizeof(struct monitor),
    .describe = describe,
    .begin = begin,
    .interests = interests,
    .observe = observe,
    .save = save,
    .restore = restore,
    .end = end,
};
