// Write a runwatch detector in plain C: the SDK, yours to read and to change.
//
// A detector is a table of functions, `rw_this_detector`. This file makes of it
// what the contract (wit/detector.wit) asks for, and frees what the calls bring.
//
// - Texts that you give are zero-terminated and copied. Texts that you get are
//   `rw_string`: bytes and a length, without a zero at the end; they live as
//   long as the call.
// - `printf` and what is written to `stderr` go to runwatch's log.
// - There are no files, no environment and no clock: time comes with the rows.

#ifndef RUNWATCH_H
#define RUNWATCH_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detector_component.h"

// ---------------------------------------------------------------------------
// Words of the contract
// ---------------------------------------------------------------------------

#define RW_NO_ROW UINT32_MAX  // the row of a finding from `tick` and `finish`
#define RW_NO_RANK UINT32_MAX // the rank of a row whose line names none

typedef detector_component_string_t rw_string;
typedef runwatch_detector_types_pair_t rw_pair;
typedef exports_runwatch_detector_detector_list_pair_t rw_pairs;
typedef runwatch_detector_types_description_t rw_description;
typedef runwatch_detector_types_parameter_t rw_parameter;
typedef exports_runwatch_detector_detector_list_interest_t rw_interests;
typedef runwatch_detector_types_interest_t rw_interest;
typedef runwatch_detector_types_series_t rw_series; // index, name, source
typedef runwatch_detector_types_text_t rw_text;     // row, kind, name, content, fields
typedef runwatch_detector_types_finding_t rw_finding;
typedef exports_runwatch_detector_detector_list_finding_t rw_findings;
typedef detector_component_list_u8_t rw_bytes; // made with `malloc`, or {NULL, 0}

// Some rows of one run.
typedef struct {
    size_t rows;            // how many there are; of each:
    const int64_t *steps;   // the training step, or the row's ordinal
    const double *times;    // seconds since 1970, NaN if unknown
    const uint32_t *ranks;  // the process, or RW_NO_RANK
    size_t points;          // how many values there are: see `rw_point_at`
    const uint32_t *series; // of each value the series,
    const uint32_t *row;    // the row,
    const double *values;   // and the value itself
    size_t texts;           // how many texts there are
    const rw_text *text;
    size_t known; // every series announced so far: see `rw_name`
    const rw_series *names;
} rw_batch;

// One value with all that belongs to it.
typedef struct {
    uint32_t series;
    uint32_t row; // for findings
    int64_t step;
    double time;
    uint32_t rank;
    double value; // NaN and infinities are data
} rw_point;

// The state of one run, which you define.
struct monitor;

// What a detector is made of. `describe`, `begin`, `interests` and `observe`
// must be there, the others may be NULL.
typedef struct {
    size_t size; // sizeof(struct monitor); a monitor begins as zeros
    void (*describe)(rw_description *);
    const char *(*begin)(struct monitor *, const rw_pairs *run, const rw_pairs *parameters);
    void (*interests)(struct monitor *, rw_interests *);
    void (*observe)(struct monitor *, const rw_batch *, rw_findings *);
    void (*tick)(struct monitor *, double now, rw_findings *);
    void (*finish)(struct monitor *, rw_string outcome, rw_findings *);
    rw_bytes (*save)(struct monitor *);
    const char *(*restore)(struct monitor *, rw_bytes);
    void (*end)(struct monitor *);
} rw_detector;

// Your detector.
extern const rw_detector rw_this_detector;

// ---------------------------------------------------------------------------
// Texts and numbers
// ---------------------------------------------------------------------------

// Whether a text is this one.
static inline bool rw_is(rw_string text, const char *other) {
    return text.len == strlen(other) && memcmp(text.ptr, other, text.len) == 0;
}

// A copy of a text, zero-terminated, to be freed with `free`.
static inline char *rw_copy(rw_string text) {
    char *copy = malloc(text.len + 1);
    if (!copy) {
        abort();
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    return copy;
}

// A text for the host.
static inline rw_string rw_text_of(const char *text) {
    rw_string copy;
    detector_component_string_dup(&copy, text);
    return copy;
}

// The same, formatted as by `printf`.
static inline rw_string rw_formatted(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = length < 0 ? NULL : malloc((size_t)length + 1);
    if (!text) {
        abort();
    }
    vsnprintf(text, (size_t)length + 1, format, arguments);
    return (rw_string){(uint8_t *)text, (size_t)length};
}

// A number in as few digits as read back the same: "2.3", "2", "1e300". The
// text lives until the eighth next call.
static inline const char *rw_number(double value) {
    static char texts[8][40];
    static unsigned next;
    char *text = texts[next++ % 8];
    if (!isfinite(value)) {
        return isnan(value) ? "NaN" : value > 0 ? "inf" : "-inf";
    }
    char digits[32];
    for (int precision = 0; precision < 17; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision, value);
        if (strtod(digits, NULL) == value) {
            break;
        }
    }
    int exponent = atoi(strchr(digits, 'e') + 1);
    int decimals = (int)(strchr(digits, 'e') - digits) - (value < 0) - 2 - exponent;
    if (!strchr(digits, '.')) {
        decimals = -exponent;
    }
    if (exponent >= -7 && exponent < 16) {
        snprintf(text, sizeof texts[0], "%.*f", decimals > 0 ? decimals : 0, value);
    } else {
        int mantissa = (int)(strchr(digits, 'e') - digits);
        snprintf(text, sizeof texts[0], "%.*se%d", mantissa, digits, exponent);
    }
    return text;
}

// Writes a line to runwatch's log. The level is "error", "warn", "info" or
// "debug".
__attribute__((format(printf, 2, 3))) static inline void
rw_log(const char *level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    rw_string text = rw_formatted(format, arguments);
    va_end(arguments);
    rw_string name = {(uint8_t *)level, strlen(level)};
    runwatch_detector_log_log(&name, &text);
    free(text.ptr);
}

// ---------------------------------------------------------------------------
// Lists that grow
// ---------------------------------------------------------------------------

// Room for one more at the end of a list, as zeros. A list has room for the
// next power of two.
static inline void *rw_grow(void **items, size_t *length, size_t size) {
    if ((*length & (*length - 1)) == 0) {
        size_t room = *length ? *length * 2 : 1;
        *items = realloc(*items, room * size);
        if (!*items) {
            abort();
        }
    }
    void *item = (char *)*items + (*length)++ * size;
    return memset(item, 0, size);
}

#define RW_ADD(list) (rw_grow((void **)&(list)->ptr, &(list)->len, sizeof *(list)->ptr))

// ---------------------------------------------------------------------------
// Describing the detector
// ---------------------------------------------------------------------------

static inline void rw_describe(rw_description *description, const char *name,
                               const char *version, const char *summary) {
    description->name = rw_text_of(name);
    description->version = rw_text_of(version);
    description->summary = rw_text_of(summary);
}

// Adds a fact, such as "doc" in Markdown.
static inline void rw_describe_fact(rw_description *description, const char *name,
                                    const char *content) {
    rw_pair *fact = RW_ADD(&description->facts);
    fact->f0 = rw_text_of(name);
    fact->f1 = rw_text_of(content);
}

// Adds a parameter. The kind is "number", "integer", "boolean", "text" or
// "list". The pointer holds until the next one is added.
static inline rw_parameter *rw_add_parameter(rw_description *description,
                                             const char *name, const char *kind,
                                             const char *standard, const char *unit,
                                             const char *doc) {
    rw_parameter *parameter = RW_ADD(&description->parameters);
    parameter->name = rw_text_of(name);
    parameter->kind = rw_text_of(kind);
    parameter->default_ = rw_text_of(standard);
    parameter->unit = rw_text_of(unit);
    parameter->doc = rw_text_of(doc);
    return parameter;
}

// What runwatch checks for you: "min", "max", "choices".
static inline void rw_limit(rw_parameter *parameter, const char *name,
                            const char *limit) {
    rw_pair *pair = RW_ADD(&parameter->limits);
    pair->f0 = rw_text_of(name);
    pair->f1 = rw_text_of(limit);
}

// Asks for something: "metric", "label", "text", "exception", "event", "row" or
// "tick", and a pattern.
static inline rw_interest *rw_add_interest(rw_interests *interests, const char *kind,
                                           const char *pattern) {
    rw_interest *interest = RW_ADD(interests);
    interest->kind = rw_text_of(kind);
    interest->pattern = rw_text_of(pattern);
    return interest;
}

// ---------------------------------------------------------------------------
// Parameters and facts of the run
// ---------------------------------------------------------------------------

// The value of this name; an empty text if there is none.
static inline rw_string rw_get(const rw_pairs *pairs, const char *name) {
    for (size_t i = 0; i < pairs->len; i++) {
        if (rw_is(pairs->ptr[i].f0, name)) {
            return pairs->ptr[i].f1;
        }
    }
    return (rw_string){(uint8_t *)"", 0};
}

static inline double rw_double(const rw_pairs *pairs, const char *name) {
    char *text = rw_copy(rw_get(pairs, name));
    double value = strtod(text, NULL);
    free(text);
    return value;
}

static inline int64_t rw_integer(const rw_pairs *pairs, const char *name) {
    char *text = rw_copy(rw_get(pairs, name));
    int64_t value = strtoll(text, NULL, 10);
    free(text);
    return value;
}

static inline bool rw_boolean(const rw_pairs *pairs, const char *name) {
    return rw_is(rw_get(pairs, name), "true");
}

// ---------------------------------------------------------------------------
// Rows
// ---------------------------------------------------------------------------

// The value at a position from 0 to `batch->points - 1`.
static inline rw_point rw_point_at(const rw_batch *batch, size_t at) {
    uint32_t row = batch->row[at];
    return (rw_point){
        .series = batch->series[at],
        .row = row,
        .step = batch->steps[row],
        .time = batch->times[row],
        .rank = batch->ranks[row],
        .value = batch->values[at],
    };
}

// The canonical name of a series, such as "loss". Only a detector that asked
// for several metrics needs it.
static inline rw_string rw_name(const rw_batch *batch, uint32_t series) {
    for (size_t i = 0; i < batch->known; i++) {
        if (batch->names[i].index == series) {
            return batch->names[i].name;
        }
    }
    return (rw_string){(uint8_t *)"", 0};
}

// ---------------------------------------------------------------------------
// Findings. A pointer to one holds until the next one is added.
// ---------------------------------------------------------------------------

static inline rw_finding *rw_add_finding(rw_findings *findings, const char *key,
                                         const char *severity, const char *state,
                                         uint32_t row) {
    rw_finding *finding = RW_ADD(findings);
    finding->key = rw_text_of(key);
    finding->severity = rw_text_of(severity);
    finding->state = rw_text_of(state);
    finding->row = row;
    return finding;
}

// Trouble begins or gets worse. The severity is "info", "warning" or "critical".
static inline rw_finding *rw_firing(rw_findings *findings, const char *key,
                                    const char *severity, uint32_t row) {
    return rw_add_finding(findings, key, severity, "firing", row);
}

// The trouble under this key is over.
static inline rw_finding *rw_resolved(rw_findings *findings, const char *key,
                                      uint32_t row) {
    return rw_add_finding(findings, key, "info", "resolved", row);
}

// A few words.
static inline void rw_title(rw_finding *finding, const char *title) {
    finding->title = rw_text_of(title);
}

// What happened, with numbers: as by `printf`.
__attribute__((format(printf, 2, 3))) static inline void
rw_message(rw_finding *finding, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    finding->message = rw_formatted(format, arguments);
    va_end(arguments);
}

// What to do about it; a finding that fires must have one.
static inline void rw_recommendation(rw_finding *finding, const char *text) {
    finding->recommendation = rw_text_of(text);
}

// A number of the message, by name.
static inline void rw_value(rw_finding *finding, const char *name, double value) {
    detector_component_tuple2_string_f64_t *pair = RW_ADD(&finding->values);
    pair->f0 = rw_text_of(name);
    pair->f1 = value;
}

// A further fact: "halt", "ranks" or "route".
static inline void rw_fact(rw_finding *finding, const char *name, const char *content) {
    rw_pair *pair = RW_ADD(&finding->facts);
    pair->f0 = rw_text_of(name);
    pair->f1 = rw_text_of(content);
}

// ---------------------------------------------------------------------------
// State: an entry for each series and rank
// ---------------------------------------------------------------------------

// Set `size` to the size of an entry. An entry must not hold pointers: it is
// saved as the bytes that it is.
typedef struct {
    size_t size;
    size_t len;
    char *entries; // each: series, rank, entry
} rw_keyed;

static inline size_t rw_keyed_stride(const rw_keyed *keyed) {
    return 8 + (keyed->size + 7) / 8 * 8;
}

// The entry for a series and rank; zeros when it is new. The pointer holds
// until the next call.
static inline void *rw_keyed_of(rw_keyed *keyed, uint32_t series, uint32_t rank) {
    size_t stride = rw_keyed_stride(keyed);
    uint32_t key[2] = {series, rank};
    for (size_t i = 0; i < keyed->len; i++) {
        char *entry = keyed->entries + i * stride;
        if (memcmp(entry, key, sizeof key) == 0) {
            return entry + 8;
        }
    }
    char *entry = rw_grow((void **)&keyed->entries, &keyed->len, stride);
    memcpy(entry, key, sizeof key);
    return entry + 8;
}

static inline rw_bytes rw_keyed_save(const rw_keyed *keyed) {
    size_t len = 8 + keyed->len * rw_keyed_stride(keyed);
    uint32_t head[2] = {(uint32_t)keyed->size, (uint32_t)keyed->len};
    uint8_t *bytes = malloc(len);
    if (!bytes) {
        abort();
    }
    memcpy(bytes, head, sizeof head);
    if (keyed->len) {
        memcpy(bytes + 8, keyed->entries, len - 8);
    }
    return (rw_bytes){bytes, len};
}

// NULL, or why the bytes cannot be used.
static inline const char *rw_keyed_restore(rw_keyed *keyed, rw_bytes saved) {
    uint32_t head[2];
    size_t stride = rw_keyed_stride(keyed);
    if (saved.len < sizeof head) {
        return "the saved state is too short";
    }
    memcpy(head, saved.ptr, sizeof head);
    if (head[0] != keyed->size || (saved.len - 8) / stride != head[1] ||
        (saved.len - 8) % stride != 0) {
        return "the saved state is of another version";
    }
    free(keyed->entries);
    keyed->entries = NULL;
    keyed->len = 0;
    for (size_t i = 0; i < head[1]; i++) {
        void *entry = rw_grow((void **)&keyed->entries, &keyed->len, stride);
        memcpy(entry, saved.ptr + 8 + i * stride, stride);
    }
    return NULL;
}

static inline void rw_keyed_free(rw_keyed *keyed) {
    free(keyed->entries);
    keyed->entries = NULL;
    keyed->len = 0;
}

// ---------------------------------------------------------------------------
// What the contract asks for, made of the table above. Arguments belong to the
// one who is called: each is freed here. Results are freed by the bindings.
// `weak`, so that several files may include this one.
// ---------------------------------------------------------------------------

#define RW_GLUE __attribute__((weak))
#define RW_(name) exports_runwatch_detector_detector_##name

struct exports_runwatch_detector_detector_monitor_t {
    struct monitor *own;
    size_t known;
    rw_series *names;
};

RW_GLUE void RW_(describe)(rw_description *description) {
    memset(description, 0, sizeof *description);
    rw_this_detector.describe(description);
}

RW_GLUE bool RW_(static_monitor_open)(rw_pairs *run, rw_pairs *parameters,
                                      RW_(own_monitor_t) *opened, rw_string *error) {
    RW_(monitor_t) *monitor = calloc(1, sizeof *monitor);
    struct monitor *own = calloc(1, rw_this_detector.size + 1);
    if (!monitor || !own) {
        abort();
    }
    monitor->own = own;
    const char *refused = rw_this_detector.begin(own, run, parameters);
    if (refused) {
        *error = rw_text_of(refused);
        free(own);
        free(monitor);
    } else {
        *opened = RW_(monitor_new)(monitor);
    }
    RW_(list_pair_free)(run);
    RW_(list_pair_free)(parameters);
    return !refused;
}

RW_GLUE void RW_(monitor_destructor)(RW_(monitor_t) *monitor) {
    if (rw_this_detector.end) {
        rw_this_detector.end(monitor->own);
    }
    for (size_t i = 0; i < monitor->known; i++) {
        RW_(series_free)(&monitor->names[i]);
    }
    free(monitor->names);
    free(monitor->own);
    free(monitor);
}

RW_GLUE void RW_(method_monitor_interests)(RW_(monitor_t) *monitor,
                                           rw_interests *interests) {
    memset(interests, 0, sizeof *interests);
    rw_this_detector.interests(monitor->own, interests);
}

RW_GLUE void RW_(method_monitor_define)(RW_(monitor_t) *monitor,
                                        RW_(list_series_t) *series) {
    for (size_t i = 0; i < series->len; i++) {
        rw_series *place =
            rw_grow((void **)&monitor->names, &monitor->known, sizeof *place);
        *place = series->ptr[i];
    }
    // The texts are kept.
    if (series->len) {
        free(series->ptr);
    }
}

RW_GLUE void RW_(method_monitor_observe)(
    RW_(monitor_t) *monitor, detector_component_list_s64_t *steps,
    detector_component_list_f64_t *times, detector_component_list_u32_t *ranks,
    detector_component_list_u32_t *indices, detector_component_list_u32_t *rows,
    detector_component_list_f64_t *values, RW_(list_text_t) *texts,
    rw_findings *findings) {
    memset(findings, 0, sizeof *findings);
    rw_batch batch = {
        .rows = steps->len,
        .steps = steps->ptr,
        .times = times->ptr,
        .ranks = ranks->ptr,
        .points = values->len,
        .series = indices->ptr,
        .row = rows->ptr,
        .values = values->ptr,
        .texts = texts->len,
        .text = texts->ptr,
        .known = monitor->known,
        .names = monitor->names,
    };
    rw_this_detector.observe(monitor->own, &batch, findings);
    detector_component_list_s64_free(steps);
    detector_component_list_f64_free(times);
    detector_component_list_u32_free(ranks);
    detector_component_list_u32_free(indices);
    detector_component_list_u32_free(rows);
    detector_component_list_f64_free(values);
    RW_(list_text_free)(texts);
}

RW_GLUE void RW_(method_monitor_tick)(RW_(monitor_t) *monitor, double now,
                                      rw_findings *findings) {
    memset(findings, 0, sizeof *findings);
    if (rw_this_detector.tick) {
        rw_this_detector.tick(monitor->own, now, findings);
    }
}

RW_GLUE void RW_(method_monitor_finish)(RW_(monitor_t) *monitor, rw_string *outcome,
                                        rw_findings *findings) {
    memset(findings, 0, sizeof *findings);
    if (rw_this_detector.finish) {
        rw_this_detector.finish(monitor->own, *outcome, findings);
    }
    detector_component_string_free(outcome);
}

RW_GLUE bool RW_(method_monitor_save)(RW_(monitor_t) *monitor, rw_bytes *state) {
    if (!rw_this_detector.save) {
        return false;
    }
    *state = rw_this_detector.save(monitor->own);
    return true;
}

RW_GLUE bool RW_(method_monitor_restore)(RW_(monitor_t) *monitor, rw_bytes *state,
                                         rw_string *error) {
    const char *refused = "this detector does not keep state";
    if (rw_this_detector.restore) {
        refused = rw_this_detector.restore(monitor->own, *state);
    }
    if (refused) {
        *error = rw_text_of(refused);
    }
    detector_component_list_u8_free(state);
    return !refused;
}

// ---------------------------------------------------------------------------
// What the C library wants of a system: standard output and standard error are
// runwatch's log, and there is nothing else.
// ---------------------------------------------------------------------------

#define RW_WASI(name) __imported_wasi_snapshot_preview1_##name
#define RW_BAD_FILE 8

struct rw_piece {
    const char *ptr;
    size_t len;
};

RW_GLUE int32_t RW_WASI(fd_write)(int32_t file, int32_t pieces, int32_t count,
                                  int32_t written) {
    const struct rw_piece *piece = (const struct rw_piece *)pieces;
    size_t len = 0;
    for (int32_t i = 0; i < count; i++) {
        len += piece[i].len;
    }
    char *line = malloc(len + 1);
    if (!line) {
        abort();
    }
    *(size_t *)written = len;
    len = 0;
    for (int32_t i = 0; i < count; i++) {
        memcpy(line + len, piece[i].ptr, piece[i].len);
        len += piece[i].len;
    }
    if (len && line[len - 1] == '\n') {
        len--;
    }
    rw_string level = {(uint8_t *)(file == 2 ? "error" : "info"), file == 2 ? 5 : 4};
    rw_string message = {(uint8_t *)line, len};
    if (len) {
        runwatch_detector_log_log(&level, &message);
    }
    free(line);
    return 0;
}

RW_GLUE int32_t RW_WASI(fd_fdstat_get)(int32_t file, int32_t facts) {
    // As of a terminal, so that the C library hands on each line at once.
    memset((void *)facts, 0, 24);
    *(uint8_t *)facts = 2;
    return file <= 2 ? 0 : RW_BAD_FILE;
}

RW_GLUE int32_t RW_WASI(fd_close)(int32_t file) {
    (void)file;
    return RW_BAD_FILE;
}

RW_GLUE int32_t RW_WASI(fd_seek)(int32_t file, int64_t offset, int32_t whence,
                                 int32_t place) {
    (void)file, (void)offset, (void)whence, (void)place;
    return RW_BAD_FILE;
}

RW_GLUE _Noreturn void RW_WASI(proc_exit)(int32_t code) {
    rw_log("error", "exit(%d)", (int)code);
    __builtin_trap();
}

#endif
