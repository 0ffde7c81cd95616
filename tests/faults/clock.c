/* A wall clock that a test moves: the file named by WALL_CLOCK holds the seconds to add, as a 64-bit integer.

   Preload it into a process. Only the wall clock moves; sleeps, time limits and the monotonic clock stay as they are, which
   libfaketime 0.9.10 does not manage with CPython: its own conversions of condition variables stall the interpreter's lock. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t none, *ahead_s = &none;

__attribute__((constructor)) static void open_clock(void) {
  const char *name = getenv("WALL_CLOCK");
  int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  void *page = file < 0 ? MAP_FAILED : mmap(0, sizeof *ahead_s, PROT_READ, MAP_SHARED, file, 0);
  if (page != MAP_FAILED) ahead_s = page;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
  int result = syscall(SYS_clock_gettime, clock, at);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) at->tv_sec += *ahead_s;
  return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
  int result = syscall(SYS_gettimeofday, at, zone);
  if (result == 0 && at) at->tv_sec += *ahead_s;
  return result;
}

time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
