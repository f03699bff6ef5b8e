/* The C ABI of the alknet engine: a message pipe.
 *
 * An environment is one user of the engine: one JavaScript environment (main
 * thread or worker). Any number of them share the one Go runtime of a process.
 * Commands go in by alk_submit as a batch of text, completions come out by
 * alk_poll as a batch of JSON, and the engine calls wake once when the queue of
 * completions stops being empty. docs/ABI.md lists the messages.
 *
 * Handles are integers looked up under a lock; a stale one gives ALK_EBADF.
 * Every function may be called from any thread. Nothing here writes to stdout,
 * installs a signal handler or changes a resource limit of the process.
 */
#ifndef ALKNET_H
#define ALKNET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface. A shim refuses an engine of another one. */
#define ALK_ABI_VERSION 5

#define ALK_EBADF -1    /* no such environment, or it is closed */
#define ALK_EINVAL -2   /* malformed arguments */
#define ALK_ERANGE -3   /* the buffer is too small; *needed says how much is wanted */
#define ALK_EINTERNAL -4 /* the engine recovered from a defect of its own */
#define ALK_EFAILED -5  /* the operation failed; the buffer holds the error object as JSON */

/* Called on a thread of the engine, never after alk_close has returned. It must
 * not block and must not call back into the engine. */
typedef void (*alk_wake_fn)(void *context);

/* Returns ALK_ABI_VERSION of the engine. */
int32_t alk_abi_version(void);

/* Opens an environment; wake(context) is called once each time that completions
 * begin to wait, and again only after an alk_poll has emptied the queue.
 * Returns a handle (> 0) or an error. */
int64_t alk_open(alk_wake_fn wake, void *context);

/* Hands over a batch of commands: UTF-8, one command a line, fields separated by
 * tabs. The bytes are copied. Returns 0; a command that is malformed is answered
 * by a completion where it names a handle, or else makes the call ALK_EINVAL,
 * after the other commands of the batch were carried out. */
int32_t alk_submit(int64_t env, const uint8_t *batch, size_t length);

/* Copies secret or binary bytes into the engine and returns an attachment's
 * number (> 0), to be named by one later command, which takes and wipes it.
 * ALK_ERANGE: larger than what a store seals at most. ALK_EINVAL: too many, or too
 * much, waits in the environment for commands. */
int64_t alk_attach(int64_t env, const uint8_t *bytes, size_t length);

/* Takes completions out of the queue: a JSON array [kind,handle,payload,...]
 * written to buffer. Returns its length, 0 when nothing waits, or ALK_ERANGE when
 * even the first completion does not fit (then *needed is what it takes).
 * *ascii is set to 1 when every byte is below 0x80, *more to 1 when completions
 * are left. */
int64_t alk_poll(int64_t env, uint8_t *buffer, size_t capacity, size_t *needed, int32_t *ascii, int32_t *more);

/* One short, pure operation, done at once on the calling thread: no waiting, no
 * network. Returns the length of the answer in buffer, ALK_EFAILED (-5) with
 * *needed set to the length of the error object in buffer, or ALK_ERANGE.
 * name is UTF-8; docs/ABI.md lists the operations. */
int64_t alk_invoke(const char *name, const uint8_t *input, size_t length,
                   uint8_t *buffer, size_t capacity, size_t *needed);

/* The size of the buffer for an error object. */
#define ALK_ERROR_SIZE 1024

/* One short operation on the environment's secrets, done at once on the calling
 * thread. name and arguments (JSON, or empty) are UTF-8 and end with a zero byte;
 * they hold no secret. handle is the number of a store or a key. input may be
 * secret: it is read where it lies, must not change meanwhile, and no copy of it
 * stays. The result is written to output, and no copy of it stays either. Returns
 * its length; ALK_ERANGE when it does not fit, and is lost; ALK_EFAILED with the
 * error object and a zero byte in error. docs/ABI.md lists the operations. */
int64_t alk_secret(int64_t env, const char *name, int64_t handle, const char *arguments,
                   const uint8_t *input, size_t length,
                   uint8_t *output, size_t capacity, char *error);

/* Moves the result of a command `secret` to output, and wipes the engine's copy.
 * Each result is taken once. Returns its length, ALK_ERANGE when it does not fit
 * (it can be taken again) or ALK_EINVAL when there is none of that number. */
int64_t alk_take(int64_t env, int64_t result, uint8_t *output, size_t capacity);

/* Closes an environment: its connections, servers and pending work end, and its
 * stores are wiped before it returns. After it
 * has returned, wake is not called again. Closing twice gives ALK_EBADF. */
int32_t alk_close(int64_t env);

#ifdef __cplusplus
}
#endif

#endif
