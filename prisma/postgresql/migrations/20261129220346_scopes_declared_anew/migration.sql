-- AlterTable
ALTER TABLE "Scope" ADD COLUMN     "reference" TEXT;

-- CreateTable
CREATE TABLE "RetiredScope" (
    "resourceId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "keyOnly" BOOLEAN NOT NULL,
    "reference" TEXT,

    CONSTRAINT "RetiredScope_pkey" PRIMARY KEY ("resourceId","name")
);

-- AddForeignKey
ALTER TABLE "RetiredScope" ADD CONSTRAINT "RetiredScope_resourceId_fkey" FOREIGN KEY ("resourceId") REFERENCES "Resource"("id") ON DELETE CASCADE ON UPDATE CASCADE;
