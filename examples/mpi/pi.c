/* Pi by the midpoint rule over all ranks. Prints where each rank ran, then the result. */
#include <math.h>
#include <mpi.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    const long steps = 200000000;
    char node[MPI_MAX_PROCESSOR_NAME];
    int rank, size, length;
    double part = 0.0, pi = 0.0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Get_processor_name(node, &length);
    printf("rank %d of %d on %s\n", rank, size, node);
    fflush(stdout);

    double begun = MPI_Wtime();
    for (long i = rank; i < steps; i += size) {
        double x = (i + 0.5) / steps;
        part += 4.0 / (1.0 + x * x);
    }
    MPI_Reduce(&part, &pi, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0) {
        pi /= steps;
        printf("pi = %.12f (error %.1e) by %d ranks in %.2f s\n",
               pi, fabs(pi - acos(-1.0)), size, MPI_Wtime() - begun);
    }
    MPI_Finalize();
    return 0;
}
