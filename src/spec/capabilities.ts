/** The capabilities of include/uapi/linux/capability.h, without `CAP_`, in the order of their numbers (0 is CHOWN). */
const NAMES =
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE " +
  "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN " +
  "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE " +
  "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";

let names: readonly string[] | undefined;

/** True for a name as the kernel's header has it, in upper case and with `CAP_`. */
export function isCapability(name: string): boolean {
  return name.startsWith("CAP_") && ` ${NAMES} `.includes(` ${name.slice(4)} `) && !name.includes(" ");
}

/** Names with `CAP_`; the index is the number. The last one came with Linux 5.9. */
export function capabilityNames(): readonly string[] {
  names ??= NAMES.split(" ").map((name) => `CAP_${name}`);
  return names;
}
