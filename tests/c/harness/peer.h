/* The inside of a scripted peer. */
#ifndef HARNESS_PEER_H
#define HARNESS_PEER_H

#include "internal.h"

struct peer {
    peer_script *script;
    void *arg;
    pthread_t thread;
    int listener, conn;
    int over;               /* readable when the test is over */
    sem_t go, told;
    char target[160];
    char *in;               /* what was read and not yet taken */
    size_t len, capacity;
    char *request;          /* the last one */
    char id[64];            /* its wire id */
};

bool peer_read(struct peer *peer, int timeout);   /* some more bytes into `in` */

#endif
