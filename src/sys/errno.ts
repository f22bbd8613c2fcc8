/** Errno numbers, names and texts of Linux (asm-generic/errno-base.h, errno.h); texts as strerror(3) has them, in lower case. */
const TABLE = `1 EPERM operation not permitted
2 ENOENT no such file or directory
3 ESRCH no such process
4 EINTR interrupted system call
5 EIO input/output error
6 ENXIO no such device or address
7 E2BIG argument list too long
8 ENOEXEC exec format error
9 EBADF bad file descriptor
10 ECHILD no child processes
11 EAGAIN resource temporarily unavailable
12 ENOMEM cannot allocate memory
13 EACCES permission denied
14 EFAULT bad address
15 ENOTBLK block device required
16 EBUSY device or resource busy
17 EEXIST file exists
18 EXDEV invalid cross-device link
19 ENODEV no such device
20 ENOTDIR not a directory
21 EISDIR is a directory
22 EINVAL invalid argument
23 ENFILE too many open files in system
24 EMFILE too many open files
25 ENOTTY inappropriate ioctl for device
26 ETXTBSY text file busy
27 EFBIG file too large
28 ENOSPC no space left on device
29 ESPIPE illegal seek
30 EROFS read-only file system
31 EMLINK too many links
32 EPIPE broken pipe
33 EDOM numerical argument out of domain
34 ERANGE numerical result out of range
35 EDEADLK resource deadlock avoided
36 ENAMETOOLONG file name too long
37 ENOLCK no locks available
38 ENOSYS function not implemented
39 ENOTEMPTY directory not empty
40 ELOOP too many levels of symbolic links
61 ENODATA no data available
62 ETIME timer expired
71 EPROTO protocol error
75 EOVERFLOW value too large for defined data type
87 EUSERS too many users
88 ENOTSOCK socket operation on non-socket
90 EMSGSIZE message too long
91 EPROTOTYPE protocol wrong type for socket
93 EPROTONOSUPPORT protocol not supported
95 EOPNOTSUPP operation not supported
97 EAFNOSUPPORT address family not supported by protocol
98 EADDRINUSE address already in use
103 ECONNABORTED software caused connection abort
104 ECONNRESET connection reset by peer
105 ENOBUFS no buffer space available
106 EISCONN transport endpoint is already connected
107 ENOTCONN transport endpoint is not connected
110 ETIMEDOUT connection timed out
111 ECONNREFUSED connection refused
116 ESTALE stale file handle
122 EDQUOT disk quota exceeded
125 ECANCELED operation canceled
126 ENOKEY required key not available
127 EKEYEXPIRED key has expired
128 EKEYREVOKED key has been revoked
129 EKEYREJECTED key was rejected by service`;

let byName: Map<string, { readonly number: number; readonly text: string }> | undefined;
let byNumber: Map<number, string> | undefined;

function load(): Map<string, { readonly number: number; readonly text: string }> {
  if (byName !== undefined) return byName;
  byName = new Map();
  byNumber = new Map();
  for (const line of TABLE.split("\n")) {
    const [number, name, ...text] = line.split(" ");
    byName.set(name ?? "", { number: Number(number), text: text.join(" ") });
    byNumber.set(Number(number), name ?? "");
  }
  return byName;
}

/** The number of an errno name. @throws RangeError for a name that Linux does not have. */
export function errnoNumber(name: string): number {
  const found = load().get(name);
  if (found === undefined) throw new RangeError(`unknown errno ${name}`);
  return found.number;
}

/** `ENOENT` for 2; `errno 4242` for a number without a name. */
export function errnoName(number: number): string {
  load();
  return byNumber?.get(number) ?? `errno ${number}`;
}

/** `no such file or directory` for `ENOENT`; "" for what is no errno name. */
export function errnoText(name: string): string {
  return load().get(name)?.text ?? "";
}

/** ``no such file or directory (ENOENT)`` for `ENOENT`: as messages have it. A name that is unknown stands for itself. */
export function errnoPhrase(name: string): string {
  const text = errnoText(name);
  return text === "" ? name : `${text} (${name})`;
}

/** `ENOENT` of what was thrown; "EIO" for what is no system error. */
export function errnoOf(cause: unknown): string {
  const code = (cause as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : "EIO";
}
