#pragma once

/* The line between host and plugin: everything that the host may touch before it trusts a plugin's
 * C++. Valid C11 and C++20. Every struct opens with its size, which says how far it reaches; fields
 * are only ever appended. All strings are UTF-8, owned by the plugin and live for ever (plugins are
 * never unloaded); a string that does not apply is NULL. */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SAFFRON_ABI_MAGIC 0x4e524653u /* "SFRN", little-endian */
#define SAFFRON_ABI_MAJOR 1           /* changes with any incompatible change of this file */
#define SAFFRON_ABI_MINOR 0           /* fields appended */
#define SAFFRON_ABI_SECTION ".saffron.abi"
#define SAFFRON_ABI_ENTRY "saffron_plugin_entry"

typedef enum {
  SAFFRON_TYPE_BOOL,
  SAFFRON_TYPE_INT,
  SAFFRON_TYPE_FLOAT,
  SAFFRON_TYPE_STRING,
  SAFFRON_TYPE_PATH,
  SAFFRON_TYPE_SECRET,    /* from the environment; in no hash, log or manifest */
  SAFFRON_TYPE_TABLE,     /* nested parameters: `fields` */
  SAFFRON_TYPE_REFERENCE, /* the name of a node of kind `component_kind` */
  SAFFRON_TYPE_COMPONENT  /* a nested component of kind `component_kind`, or the name of a node that
                             has one */
} saffron_param_type;

enum {
  SAFFRON_PARAM_LIST = 1u << 0,     /* a list of `type` */
  SAFFRON_PARAM_OPTIONAL = 1u << 1, /* may be absent, without a default */
  SAFFRON_PARAM_REQUIRED = 1u << 2,
  SAFFRON_PARAM_HASHED = 1u << 3,  /* a path whose content is an input of the run */
  SAFFRON_PARAM_HIDDEN = 1u << 4,  /* left out of listings */
  SAFFRON_PARAM_UNHASHED = 1u << 5 /* cannot change a result (verbosity, cache placement) */
};

/* One parameter: a row of `saffron inspect`. */
typedef struct saffron_param {
  uint32_t size;
  uint32_t type; /* saffron_param_type */
  uint32_t flags;
  const char* name;
  const char* doc;
  const char* unit;
  const char* default_json;   /* canonical JSON; NULL when there is none */
  const char* range;          /* "> 0", "[0, 1]"; that a string or list must not be empty is not
                                 declared: only `decode` says so */
  const char* const* choices; /* of a string */
  uint32_t choice_count;
  const char* component_kind; /* of a reference or a nested component */
  const char* since;
  const char* alias; /* a former name, still accepted with a warning */
  const struct saffron_param* fields;
  uint32_t field_count;
} saffron_param;

/* Where a failing factory writes what happened; the host owns it. */
typedef struct {
  uint32_t size;
  uint32_t kind;      /* saffron::ErrorKind */
  char message[4096]; /* truncated when longer, always terminated */
  char where[1024];
  char help[1024];
} saffron_error;

enum {
  SAFFRON_COMPONENT_DETERMINISTIC = 1u << 0, /* same inputs and seed, same bits: may be cached */
  SAFFRON_COMPONENT_NEEDS_CUDA = 1u << 1,
  SAFFRON_COMPONENT_GRAPH_SAFE = 1u << 2 /* no host synchronisation inside a step */
};

typedef struct {
  uint32_t size;
  const char* kind;      /* "regularizer" */
  const char* interface; /* "saffron.regularizer/1": name and revision of the C++ class */
  const char* name;      /* "hoyer" */
  const char* summary;   /* one line */
  const char* doc;
  const char* citation;
  uint32_t revision; /* raised by the author when results change */
  uint32_t flags;
  const saffron_param* params;
  uint32_t param_count;

  /* `config` is a const saffron::Value*, `services` a saffron::Services*, `decoded` a
   * saffron::Decoded*: C++ objects of the SDK that both sides link. None of these throws.
   * create: the component's interface pointer (as interface*), or NULL with `error` filled.
   * decode: checks `config` against the schema and collects problems, references and the
   *         resolved value into `decoded`; constructs nothing. */
  void* (*create)(const void* config, void* services, saffron_error* error);
  void (*destroy)(void* component);
  void (*decode)(const void* config, void* decoded);
} saffron_component;

typedef struct {
  uint32_t magic;
  uint32_t size;
  uint16_t abi_major, abi_minor;
  const char* build_tag; /* the same text as in the ELF section */
  uint64_t layout;       /* sizes and alignments of the C++ types that cross */
  const char* id;        /* "org.example.hoyer" */
  const char* version;
  const char* license;
  const char* url;
  const char* summary;
  const saffron_component* components;
  uint32_t component_count;
} saffron_plugin;

/* The one exported function. Fast, idempotent, callable from any thread; returns NULL only when it
 * cannot serve `host_abi_major`. */
typedef const saffron_plugin* (*saffron_plugin_entry_fn)(uint32_t host_abi_major,
                                                         uint32_t host_abi_minor);

#ifdef __cplusplus
}
#endif
