/* What the parts of the harness know of each other. */
#ifndef HARNESS_INTERNAL_H
#define HARNESS_INTERNAL_H

#include "../harness.h"

#include <time.h>

struct timespec in_a_while(void);   /* on the real-time clock, for timed waits */
void qemu_kill_all(void);           /* may be called in a signal handler */

#endif
