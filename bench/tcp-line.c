/* A line with delay for whole packets, so that TCP itself feels it:
 *
 *     tcp-line ONE-WAY-MS PID
 *
 * Joins this network namespace, where it is 10.77.0.2, and that of process PID, where it is 10.77.0.1,
 * by two tun devices whose packets it hands over after the delay. Prints a line when it is ready. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define MTU 1500
#define QUEUE 4096

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Nanoseconds. */
static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int tun(const char *name, const char *address)
{
	struct ifreq request;
	char command[200];
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("/dev/net/tun");
	memset(&request, 0, sizeof request);
	request.ifr_flags = IFF_TUN | IFF_NO_PI;
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		die("TUNSETIFF");
	snprintf(command, sizeof command, "ip addr add %s/24 dev %s && ip link set %s up",
		address, name, name);
	if (system(command) != 0)
		die("ip");
	return fd;
}

static struct packet {
	long long due;
	int to;
	int length;
	char bytes[MTU];
} queue[QUEUE];

int main(int argc, char **argv)
{
	char path[64];
	struct pollfd ends[2];
	unsigned first = 0, last = 0;
	long long delay;
	int theirs;

	if (argc != 3)
		return 2;
	delay = (long long)(atof(argv[1]) * 1e6);
	snprintf(path, sizeof path, "/proc/%s/ns/net", argv[2]);
	theirs = open(path, O_RDONLY | O_CLOEXEC);
	if (theirs < 0)
		die(path);
	ends[0].fd = tun("line", "10.77.0.2");
	if (setns(theirs, CLONE_NEWNET) < 0)
		die("setns");
	ends[1].fd = tun("line", "10.77.0.1");
	ends[0].events = ends[1].events = POLLIN;
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct timespec wait, *until = NULL;

		for (; first != last && queue[first % QUEUE].due <= now(); first++) {
			struct packet *packet = &queue[first % QUEUE];

			/* What a device does not take is lost, as on any line. */
			if (write(packet->to, packet->bytes, packet->length) < 0)
				perror("write");
		}
		if (first != last) {
			long long left = queue[first % QUEUE].due - now();

			wait.tv_sec = left > 0 ? left / 1000000000 : 0;
			wait.tv_nsec = left > 0 ? left % 1000000000 : 0;
			until = &wait;
		}
		if (ppoll(ends, 2, until, NULL) <= 0)
			continue;
		for (int end = 0; end < 2; end++) {
			struct packet *packet = &queue[last % QUEUE];

			if (!(ends[end].revents & POLLIN) || last - first == QUEUE)
				continue;
			packet->length = read(ends[end].fd, packet->bytes, MTU);
			packet->to = ends[1 - end].fd;
			packet->due = now() + delay;
			if (packet->length > 0)
				last++;
		}
	}
}
