/** Types of features.md: what the `features` verb prints. Absent means "unknown", which is not "no". */

export interface Features {
  readonly ociVersionMin: string;
  readonly ociVersionMax: string;
  /** Names of the hooks that are recognised. */
  readonly hooks?: readonly string[];
  /** Mount options that are recognised, without filesystem-specific ones. */
  readonly mountOptions?: readonly string[];
  readonly linux?: LinuxFeatures;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Annotations of config.json that change what the runtime does; a name that ends in `.` is a prefix. */
  readonly potentiallyUnsafeConfigAnnotations?: readonly string[];
}

export interface LinuxFeatures {
  readonly namespaces?: readonly string[];
  readonly capabilities?: readonly string[];
  readonly cgroup?: CgroupFeatures;
  readonly seccomp?: SeccompFeatures;
  readonly apparmor?: EnabledFeature;
  readonly selinux?: EnabledFeature;
  readonly intelRdt?: IntelRdtFeatures;
  readonly memoryPolicy?: MemoryPolicyFeatures;
  readonly mountExtensions?: MountExtensionFeatures;
  readonly netDevices?: EnabledFeature;
}

export interface EnabledFeature {
  readonly enabled?: boolean;
}

export interface CgroupFeatures {
  readonly v1?: boolean;
  readonly v2?: boolean;
  readonly systemd?: boolean;
  readonly systemdUser?: boolean;
  readonly rdma?: boolean;
}

export interface SeccompFeatures extends EnabledFeature {
  readonly actions?: readonly string[];
  readonly operators?: readonly string[];
  readonly archs?: readonly string[];
  /** Filter flags that are recognised … */
  readonly knownFlags?: readonly string[];
  /** … and those of them that this host can do. */
  readonly supportedFlags?: readonly string[];
}

export interface IntelRdtFeatures extends EnabledFeature {
  readonly schemata?: boolean;
  readonly monitoring?: boolean;
}

export interface MemoryPolicyFeatures {
  readonly modes?: readonly string[];
  readonly flags?: readonly string[];
}

export interface MountExtensionFeatures {
  readonly idmap?: EnabledFeature;
}
