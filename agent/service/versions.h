/* versions: of the API we serve (Kata Containers 4.1.0), as clients compare them. */
#ifndef SERVICE_VERSIONS_H
#define SERVICE_VERSIONS_H

#define AGENT_VERSION "4.1.0"
#define API_VERSION   "0.0.1"

#endif
