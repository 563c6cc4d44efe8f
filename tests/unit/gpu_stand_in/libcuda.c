/* A stand-in for NVIDIA's libcuda.so.1: its functions that examples/gpu/check_gpus.py calls, with the
 * parameters of cuda.h. GPUs' memory is malloc'ed, and as strict as the real one: a call out of turn,
 * a wrong pointer or a lost allocation is an error.
 *
 * STAND_IN_GPUS      how many GPUs there are
 * STAND_IN_MEMORY    bytes of memory of each
 * STAND_IN_FAILS     function=code: this function fails
 * STAND_IN_CORRUPTS  this function for copies changes the last byte
 * STAND_IN_IDLES     this function for copies does nothing
 */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100,
       INVALID_DEVICE = 101, INVALID_CONTEXT = 201, UNKNOWN = 999 };

/* Addresses on a GPU are none of the host's: a mix-up, or one cut to 32 bits, is noticed. */
#define ON_DEVICE (1ULL << 62)
#define ALLOCATIONS 8

struct CUctx_st { int retained; };

static struct { char *start; size_t size; int on_device; } allocations[ALLOCATIONS];
static struct CUctx_st context;
static CUcontext current;
static int initialized;

static unsigned long long setting(const char *name) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : 0;
}

static int told(const char *name, const char *function) {
    const char *text = getenv(name);
    return text && !strcmp(text, function);
}

static CUresult fails(const char *function) {
    const char *text = getenv("STAND_IN_FAILS");
    size_t length = strlen(function);
    if (text && !strncmp(text, function, length) && text[length] == '=')
        return atoi(text + length + 1);
    return initialized ? SUCCESS : NOT_INITIALIZED;
}

/* Declares `failed`; leaves the function if it is told to fail, or called before cuInit. */
#define OR_FAIL CUresult failed = fails(__func__); if (failed) return failed
#define OR_FAIL_WITHOUT_CONTEXT OR_FAIL; if (!current) return INVALID_CONTEXT

static CUresult allocate(char **start, size_t size, int on_device) {
    if (!size) return INVALID_VALUE;
    for (int i = 0; i < ALLOCATIONS; i++)
        if (!allocations[i].start) {
            if (!(*start = malloc(size))) return OUT_OF_MEMORY;
            allocations[i].start = *start;
            allocations[i].size = size;
            allocations[i].on_device = on_device;
            return SUCCESS;
        }
    return OUT_OF_MEMORY;
}

static CUresult release(char *start, int on_device) {
    for (int i = 0; i < ALLOCATIONS; i++)
        if (start && allocations[i].start == start && allocations[i].on_device == on_device) {
            free(start);
            allocations[i].start = NULL;
            return SUCCESS;
        }
    return INVALID_VALUE;
}

/* Where the bytes at a GPU's address are; NULL if they are not all in one allocation. */
static char *memory(CUdeviceptr address, size_t size) {
    char *start = (char *)(address ^ ON_DEVICE);
    for (int i = 0; i < ALLOCATIONS; i++)
        if (allocations[i].on_device && allocations[i].start == start && size <= allocations[i].size)
            return start;
    return NULL;
}

static CUresult copy(const char *function, char *to, const char *from, size_t size) {
    if (!to || !from) return INVALID_VALUE;
    if (!told("STAND_IN_IDLES", function)) memcpy(to, from, size);
    if (told("STAND_IN_CORRUPTS", function)) to[size - 1] ^= 1;
    return SUCCESS;
}

CUresult cuInit(unsigned int flags) {
    initialized = flags == 0;
    OR_FAIL;
    return setting("STAND_IN_GPUS") ? SUCCESS : NO_DEVICE;
}

CUresult cuDriverGetVersion(int *version) {
    OR_FAIL;
    *version = 12040;
    return SUCCESS;
}

CUresult cuDeviceGetCount(int *count) {
    OR_FAIL;
    *count = (int)setting("STAND_IN_GPUS");
    return SUCCESS;
}

/* A device's handle is not its index. */
CUresult cuDeviceGet(CUdevice *device, int index) {
    OR_FAIL;
    if (index < 0 || index >= (int)setting("STAND_IN_GPUS")) return INVALID_DEVICE;
    *device = index + 70;
    return SUCCESS;
}

CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
    OR_FAIL;
    if (device < 70) return INVALID_DEVICE;
    snprintf(name, (size_t)length, "Stand-in %d", device - 70);
    return SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
    OR_FAIL;
    if (device < 70) return INVALID_DEVICE;
    *bytes = setting("STAND_IN_MEMORY");
    return SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *retained, CUdevice device) {
    OR_FAIL;
    if (device < 70) return INVALID_DEVICE;
    context.retained++;
    *retained = &context;
    return SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    OR_FAIL_WITHOUT_CONTEXT;
    if (device < 70 || !context.retained) return INVALID_DEVICE;
    for (int i = 0; i < ALLOCATIONS; i++)
        if (allocations[i].start) return UNKNOWN;
    context.retained--;
    current = NULL;
    return SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext wanted) {
    OR_FAIL;
    if (wanted != &context || !context.retained) return INVALID_CONTEXT;
    current = wanted;
    return SUCCESS;
}

CUresult cuCtxSynchronize(void) {
    OR_FAIL_WITHOUT_CONTEXT;
    return SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t size) {
    OR_FAIL_WITHOUT_CONTEXT;
    char *start;
    failed = allocate(&start, size, 1);
    if (!failed) *address = (CUdeviceptr)start ^ ON_DEVICE;
    return failed;
}

CUresult cuMemFree_v2(CUdeviceptr address) {
    OR_FAIL_WITHOUT_CONTEXT;
    return release((char *)(address ^ ON_DEVICE), 1);
}

CUresult cuMemHostAlloc(void **start, size_t size, unsigned int flags) {
    OR_FAIL_WITHOUT_CONTEXT;
    return flags ? INVALID_VALUE : allocate((char **)start, size, 0);
}

CUresult cuMemFreeHost(void *start) {
    OR_FAIL_WITHOUT_CONTEXT;
    return release(start, 0);
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t size) {
    OR_FAIL_WITHOUT_CONTEXT;
    return copy(__func__, memory(to, size), from, size);
}

CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t size) {
    OR_FAIL_WITHOUT_CONTEXT;
    return copy(__func__, to, memory(from, size), size);
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t size) {
    OR_FAIL_WITHOUT_CONTEXT;
    return copy(__func__, memory(to, size), memory(from, size), size);
}

/* As the real ones: a code that they do not know gives a null pointer. */
CUresult cuGetErrorName(CUresult code, const char **name) {
    *name = code == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY"
        : code == NO_DEVICE ? "CUDA_ERROR_NO_DEVICE" : NULL;
    return *name ? SUCCESS : INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult code, const char **text) {
    *text = code == OUT_OF_MEMORY ? "out of memory"
        : code == NO_DEVICE ? "no CUDA-capable device is detected" : NULL;
    return *text ? SUCCESS : INVALID_VALUE;
}
