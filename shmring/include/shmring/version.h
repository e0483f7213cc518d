/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Which version of the library a program is compiled against, and which one it runs with.
 */
#ifndef SHMRING_VERSION_H
#define SHMRING_VERSION_H

#include <shmring/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of these headers. The build of the library fails where they are not the project's version. */
#define SHMRING_VERSION_MAJOR 0
#define SHMRING_VERSION_MINOR 2
#define SHMRING_VERSION_MICRO 1
#define SHMRING_VERSION_STRING SHMRING_VERSION_TEXT(SHMRING_VERSION_MAJOR, SHMRING_VERSION_MINOR, SHMRING_VERSION_MICRO)
#define SHMRING_VERSION_TEXT(major, minor, micro) SHMRING_VERSION_QUOTED(major, minor, micro)
#define SHMRING_VERSION_QUOTED(major, minor, micro) #major "." #minor "." #micro

/* Of the library that runs, as SHMRING_VERSION_STRING was when it was built. Never NULL. */
SHMRING_API const char* shmring_version(void);

#ifdef __cplusplus
}
#endif
#endif
