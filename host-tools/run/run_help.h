/* run_help: what `cradle run --help` prints. Text only. docs/man/cradle.1 says the same. */
#ifndef RUN_RUN_HELP_H
#define RUN_RUN_HELP_H

#define RUN_HELP                                                                                   \
	"Run a container in a virtual machine of its own.\n"                                       \
	"\n"                                                                                       \
	"Usage: cradle run [OPTION...] --rootfs DIR|TAR [--] [COMMAND [ARG...]]\n"                 \
	"       cradle run --bundle DIR [OPTION...] [--] [COMMAND [ARG...]]\n"                     \
	"       cradle run --hold --listen SOCKET [OPTION...]\n"                                   \
	"\n"                                                                                       \
	"The command (default /bin/sh) sees the root file system as / and may write to it: "       \
	"writes\n"                                                                                 \
	"go to an overlay in the guest's memory, count against --memory, and are gone at the "     \
	"end.\n"                                                                                   \
	"Its standard output and error are cradle's; its exit code becomes cradle's.\n"            \
	"\n"                                                                                       \
	"What runs:\n"                                                                             \
	"  --rootfs DIR|TAR    root file system; packed once into an image, kept in\n"             \
	"                      $CRADLE_CACHE (~/.cache/cradle) until the content changes\n"        \
	"  --bundle DIR        OCI bundle: config.json says what runs, and how; an option or a\n"  \
	"                      command given beside it replaces its part. See below\n"             \
	"  -v, --volume HOST:GUEST[:ro]\n"                                                         \
	"                      a folder or file of this host at GUEST; may be repeated. See "      \
	"below\n"                                                                                  \
	"  -e, --env K=V       set a variable; may be repeated\n"                                  \
	"  -w, --workdir DIR   working folder (default /)\n"                                       \
	"  -u, --user U[:G]    user and group, names (from the image) or numbers (default 0)\n"    \
	"  -i, --interactive   pass standard input on; without it the command reads end of file\n" \
	"  -t, --tty           a terminal for the command; ours, if standard input is one, is "    \
	"raw\n"                                                                                    \
	"                      meanwhile, follows our window's size, and passes all keys on\n"     \
	"  --name ID           container id and host name (default cradle-<random>)\n"             \
	"  --timeout TIME      kill the container when it has run this long, e.g. 30s, 5m\n"       \
	"\n"                                                                                       \
	"How much it may use:\n"                                                                   \
	"  --memory SIZE       limit of the container, e.g. 64M (default 256M). The VM is this\n"  \
	"                      plus a reserve for kernel and agent, fixed before it boots\n"       \
	"  --cpus N            CPUs, e.g. 1.5 (default: a VM with one, no limit)\n"                \
	"  --explain           print how the VM's size adds up\n"                                  \
	"  --stats             print the container's memory figures after it ended\n"              \
	"\n"                                                                                       \
	"The VM:\n"                                                                                \
	"  --arch ARCH         x86_64, aarch64, ppc64le or s390x (default: this machine's); the\n" \
	"                      root file system must be of that architecture\n"                    \
	"  --accel auto|kvm|tcg  auto: KVM where a real try succeeds, else emulation (TCG)\n"      \
	"  --kernel FILE       guest kernel ($CRADLE_KERNEL; build/ARCH/kernel/vmlinuz)\n"         \
	"  --initrd FILE       guest image ($CRADLE_INITRD; build/ARCH/initrd.img)\n"              \
	"  --disk IMAGE        boot from a disk image (erofs, ext4, squashfs or xfs; 'make "       \
	"disk')\n"                                                                                 \
	"                      with the agent as /sbin/init; --initrd none for a kernel that "     \
	"has\n"                                                                                    \
	"                      the drivers built in, else the initrd brings them\n"                \
	"  --qemu PROGRAM      QEMU ($CRADLE_QEMU; default: qemu-system-<architecture>)\n"         \
	"  --append WORDS      added to the kernel command line, e.g. agent.log=debug\n"           \
	"  --boot-timeout N    seconds until the agent must have answered (default 90)\n"          \
	"  --agent-timeout N   seconds that it may answer nothing while the container runs\n"      \
	"                      (default 60; 0: for ever); then the run fails\n"                    \
	"  --verbose           show the guest's console on standard error\n"                       \
	"  --net none|user     none (default): the loopback alone. user: eth0 (10.0.2.15/24) "     \
	"behind\n"                                                                                 \
	"                      QEMU's own user network. The host is 10.0.2.2 and answers there "   \
	"for\n"                                                                                    \
	"                      its 127.0.0.1, which the command then reaches like any program "    \
	"here;\n"                                                                                  \
	"                      names go by 10.0.2.3, in the container's /etc/resolv.conf. IPv4 "   \
	"only,\n"                                                                                  \
	"                      TCP and UDP; nobody reaches the VM from outside\n"                  \
	"  --timing            a line on standard error for each stage the run reaches, with\n"    \
	"                      milliseconds since the start and since the stage before\n"          \
	"  --json              with --timing: each line a JSON object (stage, at_ms, took_ms)\n"   \
	"  --listen SOCKET     hybrid-vsock socket to the guest while it lives: a client writes\n" \
	"                      'CONNECT 1024', then speaks to the agent (cradle call does)\n"      \
	"  --hold              no container: boot, make a sandbox, print 'ready SOCKET', stay\n"   \
	"                      until the end of standard input or SIGTERM. --rootfs, if given,\n"  \
	"                      is the guest's /dev/vda\n"                                          \
	"\n"                                                                                       \
	"SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 go to the container's first\n"      \
	"process; before it runs the first four end the run. SIGINT twice within a second ends\n"  \
	"the VM. A first process without a handler does not see a signal (process 1 is exempt),\n" \
	"but SIGTERM: then it is killed.\n"                                                        \
	"\n"                                                                                       \
	"Volumes: a virtiofsd each serves one folder (or one file, and nothing beside it) and\n"   \
	"ends with the VM. :ro holds on the host's side too, whatever the guest tries; links in "  \
	"it\n"                                                                                     \
	"are followed in the guest only. As root files keep the owners they have in the guest. "   \
	"As\n"                                                                                     \
	"an ordinary user everything made is yours, and is seen in the guest as the container's\n" \
	"user's: giving files to others fails, others' files are nobody's. Changes made on the\n"  \
	"host may be seen in the guest a second later. $CRADLE_VIRTIOFSD names another "           \
	"virtiofsd.\n"                                                                             \
	"\n"                                                                                       \
	"Bundles: the container is the config.json's, in a VM. What is the host's in it is\n"      \
	"rewritten as runtimes do: the network is the VM's (--net), binds of /sys and /proc\n"     \
	"become the guest's own, the cgroup's path is ours, device rules also allow null, zero,\n" \
	"full, random, tty and ptys; cpuset, /etc/resolv.conf and (with a user namespace) "        \
	"mqueue\n"                                                                                 \
	"are left out with a note; binds of folders and files are volumes. What the VM cannot\n"   \
	"give is refused by its name: binds of devices, sockets, /proc and /sys, file systems "    \
	"of\n"                                                                                     \
	"the host, namespaces with a path, hooks but startContainer's, AppArmor and SELinux\n"     \
	"labels, intelRdt, net_cls, blockIO by device, a user namespace together with --net\n"     \
	"user (its network is its own), and properties that the agent's API does\n"                \
	"not have (such as linux.resources.unified or process.scheduler).\n"                       \
	"\n"                                                                                       \
	"Exit code: the command's own; 128+n when signal n ended it (137 with a line on "          \
	"standard\n"                                                                               \
	"error: killed for memory, by --timeout or by SIGTERM); 127 not in the image, 126 not "    \
	"executable, 125 "                                                                         \
	"cradle,\n"                                                                                \
	"the VM or the agent failed, with the stage and the reason on standard error.\n"           \
	"\n"                                                                                       \
	"Examples:\n"                                                                              \
	"  cradle run --rootfs build/x86_64/rootfs -- /bin/echo hello\n"                           \
	"  cradle run -t --rootfs build/x86_64/rootfs              # a shell\n"                    \
	"  tar c folder | cradle run -i --rootfs build/x86_64/rootfs -- tar t\n"                   \
	"  cradle run --memory 64M --stats --rootfs build/x86_64/rootfs -- /bin/sh -c 'free -m'\n" \
	"  cradle run --net user --rootfs build/x86_64/rootfs -- wget -qO- "                       \
	"http://10.0.2.2:8000/\n"                                                                  \
	"  cradle run --arch s390x --rootfs build/s390x/rootfs -- uname -m\n"                      \
	"  cradle run -v folder:/work -w /work --rootfs build/x86_64/rootfs -- tar cf all.tar "    \
	"file\n"                                                                                   \
	"  cradle run --bundle bundle -- /bin/echo hello           # after: crun spec -b bundle\n" \
	"  cradle run --hold --listen /tmp/vm.sock --rootfs build/x86_64/rootfs\n"                 \
	"    cradle call hvsock:///tmp/vm.sock:1024 grpc.Health/Check   # elsewhere, meanwhile\n"

#endif
